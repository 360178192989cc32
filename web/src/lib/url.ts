/** Filters that live in the address: they survive a reload, and a link shows what you see. */
import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

/** Reads the fields of `defaults` from the address; a missing one has its default. */
export function readFilters<T extends object>(params: URLSearchParams, defaults: T): T {
  const entries = Object.entries(defaults).map(([name, value]) => [name, params.get(name) ?? (value as string)]);
  return Object.fromEntries(entries) as T;
}

/** `params` with `changes`; a value that is the default is left out. */
export function writeFilters<T extends object>(
  params: URLSearchParams,
  defaults: T,
  changes: Partial<T>,
): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes) as [string, string][]) {
    if (value === (defaults as Record<string, string>)[name]) next.delete(name);
    else next.set(name, value);
  }
  return next;
}

export function useFilters<T extends object>(defaults: T): [T, (changes: Partial<T>) => void] {
  const [params, setParams] = useSearchParams();
  const filters = useMemo(() => readFilters(params, defaults), [params, defaults]);
  const change = useCallback(
    // At once: as a transition, a box that was just checked would be drawn unchecked until the list is there.
    (changes: Partial<T>) =>
      setParams((now) => writeFilters(now, defaults, changes), { replace: true, flushSync: true }),
    [setParams, defaults],
  );
  return [filters, change];
}
