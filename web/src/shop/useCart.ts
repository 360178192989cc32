/** The cart beside what there is now: a short line knows how many are left. */
import { useQueries } from "@tanstack/react-query";

import { productOne, type Product } from "@/api/products";

import { useShopper, type CartLine } from "./shopper";

export interface Line {
  line: CartLine;
  /** As it is now; absent until it is known, `null` if it is gone. */
  product: Product | null | undefined;
  /** How many can be had now. */
  available: number | undefined;
  isShort: boolean;
}

export function lineOf(line: CartLine, product: Product | null | undefined): Line {
  const available = product === undefined ? undefined : !product?.isActive ? 0 : product.stock;
  return { line, product, available, isShort: available !== undefined && available < line.quantity };
}

export function useCart(): { lines: Line[]; currency: string; isShort: boolean } {
  const { cart } = useShopper();
  const asked = useQueries({ queries: cart.map((line) => productOne(line.productId)) });
  const lines = cart.map((line, index) => {
    const answer = asked[index];
    return lineOf(line, answer?.isError === true && answer.data === undefined ? null : answer?.data);
  });
  return { lines, currency: cart[0]?.currency ?? "USD", isShort: lines.some((line) => line.isShort) };
}

/** What it costs now is what counts, not what it cost when it was put into the cart. */
export const priceOf = ({ line, product }: Line): number => product?.price ?? line.price;
