/** One clock for everything that shows how long ago something was. */
import { useSyncExternalStore } from "react";

const TICK_MS = 1_000;
const watchers = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(changed: () => void): () => void {
  if (watchers.size === 0) {
    now = Date.now();
    timer = setInterval(() => {
      now = Date.now();
      for (const tell of watchers) tell();
    }, TICK_MS);
  }
  watchers.add(changed);
  return () => {
    watchers.delete(changed);
    if (watchers.size === 0) clearInterval(timer);
  };
}

const still = () => () => undefined;

/** The time, anew every second; what does not move costs nothing. */
export const useClock = (moves = true): number => useSyncExternalStore(moves ? watch : still, () => now);
