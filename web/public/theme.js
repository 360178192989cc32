// Before the first paint, so that a chosen theme does not flash. Nothing chosen: the system's.
try {
  const chosen = localStorage.getItem("holdfast.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's theme it is.
}
