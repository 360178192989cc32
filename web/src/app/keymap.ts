/** What single keys do. The help shows this list, so that it cannot say anything else. */
export interface Shortcut {
  /** One after the other: "g o". */
  keys: string;
  what: string;
}

export interface ShortcutGroup {
  title: string;
  shortcuts: readonly Shortcut[];
}

/** Screens by the key after "g". */
export const SCREEN_KEYS: Readonly<Record<string, { to: string; label: string }>> = {
  v: { to: "/overview", label: "Overview" },
  o: { to: "/orders", label: "Orders" },
  i: { to: "/inventory", label: "Inventory" },
  t: { to: "/topics", label: "Topics" },
  c: { to: "/groups", label: "Consumer groups" },
  d: { to: "/dead-letters", label: "Dead letters" },
  y: { to: "/try", label: "Try it" },
  s: { to: "/shop", label: "Shop" },
};

export const SHORTCUTS: readonly ShortcutGroup[] = [
  {
    title: "Anywhere",
    shortcuts: [
      { keys: "Ctrl K", what: "Go to a screen, an order or a product" },
      { keys: "/", what: "Search on this screen" },
      { keys: "?", what: "This help" },
      { keys: "Esc", what: "Close what is open" },
    ],
  },
  {
    title: "In a table",
    shortcuts: [
      { keys: "j", what: "Next row; so does the down arrow" },
      { keys: "k", what: "Row before; so does the up arrow" },
      { keys: "Enter", what: "Open the row" },
      { keys: "x", what: "Choose the row, where rows can be chosen" },
      { keys: "Home", what: "First row" },
      { keys: "End", what: "Last row that is loaded" },
    ],
  },
  {
    title: "Go to",
    shortcuts: Object.entries(SCREEN_KEYS).map(([key, { label }]) => ({ keys: `g ${key}`, what: label })),
  },
];

export type Pressed = { do: "help" | "search" | "rows" | "wait" } | { do: "go"; to: string } | { do: "nothing" };

/** What a key means, after the key before it. */
export function meaningOf(key: string, before: string): Pressed {
  const screen = before === "g" ? SCREEN_KEYS[key] : undefined;
  if (screen !== undefined) return { do: "go", to: screen.to };
  switch (key) {
    case "g":
      return { do: "wait" };
    case "?":
      return { do: "help" };
    case "/":
      return { do: "search" };
    case "j":
    case "k":
      return { do: "rows" };
    default:
      return { do: "nothing" };
  }
}
