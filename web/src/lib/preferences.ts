/** How this browser wants things shown. */
import { keep, parseJson, useKept } from "./kept";

export interface Preferences {
  density: "normal" | "compact";
  /** Times as a clock shows them, or as how long ago they are. */
  times: "clock" | "ago";
  /** Columns that are not shown, by table. */
  hidden: Readonly<Record<string, readonly string[]>>;
  /** Whether single keys do something; typing by voice may want them off. */
  shortcuts: boolean;
}

const FIRST: Preferences = { density: "normal", times: "clock", hidden: {}, shortcuts: true };

export function parsePreferences(text: string | null): Preferences {
  const kept = parseJson(text) as Partial<Preferences> | null;
  if (kept === null || typeof kept !== "object") return FIRST;
  const hidden = Object.entries(kept.hidden ?? {}).filter(([, ids]) => Array.isArray(ids));
  return {
    density: kept.density === "compact" ? "compact" : "normal",
    times: kept.times === "ago" ? "ago" : "clock",
    hidden: Object.fromEntries(hidden),
    shortcuts: kept.shortcuts !== false,
  };
}

const preferences = keep("holdfast.preferences", parsePreferences);

export const usePreferences = (): Preferences => useKept(preferences);

export const readPreferences = preferences.read;

export const prefer = (changes: Partial<Preferences>): void => preferences.change((now) => ({ ...now, ...changes }));

export const setHidden = (table: string, column: string, isHidden: boolean): void =>
  preferences.change((now) => {
    const others = (now.hidden[table] ?? []).filter((id) => id !== column);
    return { ...now, hidden: { ...now.hidden, [table]: isHidden ? [...others, column] : others } };
  });
