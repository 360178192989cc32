/** Values that this browser keeps: the same in every tab, and for as long as the page lasts where storage is forbidden. */
import { useSyncExternalStore } from "react";

export interface Kept<T> {
  read: () => T;
  change: (next: (now: T) => T) => void;
  watch: (changed: () => void) => () => void;
}

/** `parse` gets what was stored, or `null`, and has to make sense of anything. */
export function keep<T>(key: string, parse: (text: string | null) => T): Kept<T> {
  const watchers = new Set<() => void>();
  let current: { value: T } | undefined;

  const stored = (): string | null => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const read = (): T => (current ??= { value: parse(stored()) }).value;
  const tell = (): void => {
    for (const changed of watchers) changed();
  };
  const elsewhere = (event: StorageEvent): void => {
    if (event.key !== key) return;
    current = undefined;
    tell();
  };
  return {
    read,
    change: (next) => {
      current = { value: next(read()) };
      try {
        localStorage.setItem(key, JSON.stringify(current.value));
      } catch {
        // Then it lasts as long as the page.
      }
      tell();
    },
    watch: (changed) => {
      if (watchers.size === 0) window.addEventListener("storage", elsewhere);
      watchers.add(changed);
      return () => {
        watchers.delete(changed);
        if (watchers.size === 0) window.removeEventListener("storage", elsewhere);
      };
    },
  };
}

export const useKept = <T>(kept: Kept<T>): T => useSyncExternalStore(kept.watch, kept.read);

/** What a text says as JSON; `null` if it says nothing. */
export function parseJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}
