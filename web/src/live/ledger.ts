/** A ledger that only grows at its head: what is new is put before what is known, and older pages are not asked for again. */
import type { InfiniteData } from "@tanstack/react-query";

import type { Movement, MovementPage } from "@/api/products";

export type Ledger = InfiniteData<MovementPage, string>;

/** The ledger with its newest page as it is now; `null`: more came than one page, so that it has to begin anew. */
export function withHead(known: Ledger, newest: MovementPage): Ledger | null {
  const [first, ...older] = known.pages;
  const [head] = first?.data.movements ?? [];
  if (first === undefined || head === undefined) return null;
  const came = newest.data.movements.findIndex((movement) => movement.movementId === head.movementId);
  if (came < 0) return null;
  if (came === 0) return known;
  const movements: Movement[] = [...newest.data.movements.slice(0, came), ...first.data.movements];
  return { ...known, pages: [{ ...first, data: { ...first.data, movements, count: movements.length } }, ...older] };
}
