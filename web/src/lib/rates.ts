/** Rates from counters that are read now and then. */
import { useEffect, useRef, useState } from "react";

export interface Reading {
  at: number;
  counts: ReadonlyMap<string, number>;
}

/** What each counter grew by, a second; a counter that fell was made anew and has no rate yet. */
export function ratesBetween(before: Reading, after: Reading): Map<string, number> {
  const seconds = (after.at - before.at) / 1_000;
  const rates = new Map<string, number>();
  if (seconds <= 0) return rates;
  for (const [name, count] of after.counts) {
    const grown = count - (before.counts.get(name) ?? count);
    rates.set(name, Math.max(0, grown) / seconds);
  }
  return rates;
}

export function useRates<T>(
  items: readonly T[] | undefined,
  at: number,
  read: (item: T) => [string, number],
): ReadonlyMap<string, number> {
  const before = useRef<Reading | null>(null);
  const latest = useRef(read);
  const [rates, setRates] = useState<ReadonlyMap<string, number>>(new Map());
  useEffect(() => {
    latest.current = read;
  });
  useEffect(() => {
    if (items === undefined) return;
    const after = { at, counts: new Map(items.map((item) => latest.current(item))) };
    if (before.current !== null && at > before.current.at) setRates(ratesBetween(before.current, after));
    before.current = after;
  }, [items, at]);
  return rates;
}
