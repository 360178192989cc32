/** The last readings of many counters, kept while one looks elsewhere, so that a line shows where each is going. */
import { useEffect, useSyncExternalStore } from "react";

const MOST = 60;

export type Lines = ReadonlyMap<string, readonly number[]>;
export type Readings = readonly (readonly [string, number])[];

/** `known` with one more reading of each; what is not read any more is forgotten. */
export function withReadings(known: Lines, readings: Readings): Lines {
  return new Map(readings.map(([name, value]) => [name, [...(known.get(name) ?? []), value].slice(-MOST)]));
}

const NONE: Lines = new Map();
const kept = new Map<string, { at: number; lines: Lines }>();
const watchers = new Set<() => void>();

function watch(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

function record(name: string, at: number, readings: Readings): void {
  const known = kept.get(name);
  if (at === 0 || known?.at === at) return;
  kept.set(name, { at, lines: withReadings(known?.lines ?? NONE, readings) });
  for (const changed of watchers) changed();
}

/** The history of what was read `at` a time; `name` names it across screens. */
export function useHistory(name: string, at: number, readings: Readings): Lines {
  useEffect(() => record(name, at, readings), [name, at, readings]);
  return useSyncExternalStore(watch, () => kept.get(name)?.lines ?? NONE);
}
