/** Who shops, and what is in the cart: kept in this browser, because there are no accounts yet. */
import type { Product } from "@/api/products";
import { keep, parseJson, useKept } from "@/lib/kept";

export interface CartLine {
  productId: string;
  name: string;
  price: number;
  currency: string;
  category: string | null;
  quantity: number;
}

export interface Shopper {
  customer: string;
  cart: readonly CartLine[];
}

const KEY = "holdfast.shopper";
export const FIRST_CUSTOMER = "demo-customer";

/** Reads what was kept; anything else is a new shopper. */
export function parseShopper(text: string | null): Shopper {
  const fresh: Shopper = { customer: FIRST_CUSTOMER, cart: [] };
  const kept = parseJson(text) as Partial<Shopper> | null;
  if (kept === null || typeof kept.customer !== "string" || !Array.isArray(kept.cart)) return fresh;
  const cart = (kept.cart as CartLine[]).filter((line) => Number.isInteger(line.quantity) && line.quantity > 0);
  return { customer: kept.customer || FIRST_CUSTOMER, cart };
}

/** The cart with `quantity` of the product; 0 takes it out. */
export function withLine(cart: readonly CartLine[], product: Product, quantity: number): CartLine[] {
  const line: CartLine = {
    productId: product._id,
    name: product.name,
    price: product.price,
    currency: product.currency,
    category: product.category ?? null,
    quantity,
  };
  const others = cart.filter((other) => other.productId !== product._id);
  if (quantity <= 0) return others;
  const at = cart.findIndex((other) => other.productId === product._id);
  return at < 0 ? [...others, line] : cart.map((other, index) => (index === at ? line : other));
}

export const quantityOf = (cart: readonly CartLine[], productId: string): number =>
  cart.find((line) => line.productId === productId)?.quantity ?? 0;

const shopper = keep(KEY, parseShopper);

export const changeShopper = shopper.change;

export const useShopper = (): Shopper => useKept(shopper);

export const setQuantity = (product: Product, quantity: number): void =>
  changeShopper((now) => ({ ...now, cart: withLine(now.cart, product, quantity) }));

export const removeLine = (productId: string): void =>
  changeShopper((now) => ({ ...now, cart: now.cart.filter((line) => line.productId !== productId) }));

export const emptyCart = (): void => changeShopper((now) => ({ ...now, cart: [] }));

export const setCustomer = (customer: string): void => changeShopper((now) => ({ ...now, customer }));
