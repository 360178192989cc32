import type { Movement } from "@/api/products";

export interface Balances {
  /** Seconds since the epoch, ascending, each once. */
  times: number[];
  stock: number[];
  onHand: number[];
}

/** The balances after each movement, from the ledger's newest-first order into time's; of one instant the last counts. */
export function balancesOf(movements: readonly Movement[], now = Date.now()): Balances {
  const out: Balances = { times: [], stock: [], onHand: [] };
  const add = (time: number, stock: number, onHand: number) => {
    if (out.times.at(-1) === time) {
      out.times.pop();
      out.stock.pop();
      out.onHand.pop();
    }
    out.times.push(time);
    out.stock.push(stock);
    out.onHand.push(onHand);
  };
  for (const { at, balances } of [...movements].reverse()) {
    // The clock of a machine may go back; a line does not.
    add(Math.max(Date.parse(at) / 1_000, out.times.at(-1) ?? 0), balances.stock, balances.onHand);
  }
  const [stock, onHand] = [out.stock.at(-1), out.onHand.at(-1)];
  if (stock !== undefined && onHand !== undefined && now / 1_000 > (out.times.at(-1) ?? 0))
    add(now / 1_000, stock, onHand);
  return out;
}
