/** Puts a product's balances into words. */
import type { Hold, Movement, Product } from "@/api/products";

import { count, plural, signed } from "./format";

export interface Why {
  headline: string;
  biggest: Hold[];
  sources: { name: string; value: string }[];
}

const KINDS: readonly [string, string][] = [
  ["received", "Received"],
  ["fulfilled", "Shipped"],
  ["returned", "Came back"],
  ["adjusted", "Adjusted"],
];

export function whyOf(product: Product, holds: readonly Hold[], movements: readonly Movement[]): Why {
  const { stock, reserved, onHand, isActive } = product;
  const biggest = [...holds].sort((a, b) => b.quantity - a.quantity);
  const orders = new Set(holds.map((hold) => hold.orderId)).size;
  const headline = !isActive
    ? "It is inactive: shown, but not sold."
    : stock > 0
      ? `${count(stock)} can be sold; ${count(reserved)} of ${count(onHand)} on hand ${reserved === 1 ? "is" : "are"} held.`
      : onHand === 0
        ? "Nothing is on hand: all of it has left, or none came in."
        : `All ${count(onHand)} on hand are held for ${plural(Math.max(orders, 1), "order")}.`;
  const sources = KINDS.flatMap(([kind, name]) => {
    const moved = movements.filter((movement) => movement.kind === kind);
    const sum = moved.reduce((all, movement) => all + movement.onHandDelta, 0);
    return moved.length === 0 ? [] : [{ name, value: signed(sum) }];
  });
  return { headline, biggest, sources };
}
