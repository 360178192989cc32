import { useEffect, useState } from "react";

/** `value`, once it has not changed for `ms`: what is typed is not asked for letter by letter. */
export function useSettled<T>(value: T, ms = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Whether something has been so for `ms`. */
export function useLasting(isSo: boolean, ms: number): boolean {
  const [lasts, setLasts] = useState(false);
  useEffect(() => {
    if (!isSo) return;
    const timer = setTimeout(() => setLasts(true), ms);
    return () => {
      clearTimeout(timer);
      setLasts(false);
    };
  }, [isSo, ms]);
  return lasts;
}

/** The title of the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Holdfast`;
  }, [title]);
}

/** A text that is typed here and settles somewhere else, such as in the address; follows that when it changes. */
export function useDraft(settledValue: string, settle: (value: string) => void): [string, (value: string) => void] {
  const [draft, setDraft] = useState(settledValue);
  const [seen, setSeen] = useState(settledValue);
  const typed = useSettled(draft);
  if (seen !== settledValue) {
    setSeen(settledValue);
    // Not what was typed here, which may have gone on since.
    if (settledValue !== typed) setDraft(settledValue);
  }
  useEffect(() => {
    if (typed === draft && typed !== settledValue) settle(typed);
    // Only what was typed settles: what comes from elsewhere is there already.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [typed]);
  return [draft, setDraft];
}
