/** Named filters of a screen. A view is an address; the name is kept in this browser. */
import { keep, parseJson, useKept } from "./kept";

export interface View {
  name: string;
  /** The query of the address, without "?"; as `canonical` writes it. */
  query: string;
}

type Views = Readonly<Record<string, readonly View[]>>;

export function parseViews(text: string | null): Views {
  const kept = parseJson(text);
  if (typeof kept !== "object" || kept === null) return {};
  const isView = (view: unknown): view is View =>
    typeof view === "object" &&
    view !== null &&
    typeof (view as View).name === "string" &&
    typeof (view as View).query === "string";
  return Object.fromEntries(
    Object.entries(kept).map(([screen, views]) => [screen, Array.isArray(views) ? views.filter(isView) : []]),
  );
}

/** The same filters are the same text, in whichever order they were chosen. */
export function canonical(query: string | URLSearchParams): string {
  const params = new URLSearchParams(query);
  params.sort();
  return params.toString();
}

const views = keep("holdfast.views", parseViews);

const NONE: readonly View[] = [];

export const useViews = (screen: string): readonly View[] => useKept(views)[screen] ?? NONE;

const change = (screen: string, next: (now: readonly View[]) => readonly View[]): void =>
  views.change((all) => ({ ...all, [screen]: next(all[screen] ?? NONE) }));

/** Adds it, or puts another query under a name that is there. */
export const saveView = (screen: string, name: string, query: string): void =>
  change(screen, (now) => {
    const view = { name, query: canonical(query) };
    return now.some((known) => known.name === name)
      ? now.map((known) => (known.name === name ? view : known))
      : [...now, view];
  });

/** A name that another view has would hide it: that one goes. */
export const renameView = (screen: string, from: string, to: string): void =>
  change(screen, (now) =>
    now
      .filter((view) => view.name !== to || view.name === from)
      .map((view) => (view.name === from ? { ...view, name: to } : view)),
  );

export const removeView = (screen: string, name: string): void =>
  change(screen, (now) => now.filter((view) => view.name !== name));
