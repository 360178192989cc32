/** Short things that only a screen reader has to be told: that something was copied. */
const watchers = new Set<() => void>();
let text = "";

export const said = (): string => text;

export function watchSaid(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

/** Says it, also if it is what was said last. */
export function announce(words: string): void {
  text = text === words ? `${words}\u00a0` : words;
  for (const changed of watchers) changed();
}
