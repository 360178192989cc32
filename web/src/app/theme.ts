/** Light, dark, or as the system has it. `public/theme.js` applies what was chosen before the first paint. */
const KEY = "holdfast.theme";

export const isDark = (): boolean => {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
};

export function toggleTheme(): void {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
}
