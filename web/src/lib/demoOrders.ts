/** Demo orders: small carts of what there is. */
import type { NewOrder } from "@/api/orders";
import type { Product } from "@/api/products";

import { sumOf } from "./format";

const PEOPLE = ["ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", "radia"];
const PAYMENTS = ["credit_card", "debit_card", "upi", "wallet", "cash_on_delivery"] as const;
const CITIES: readonly [city: string, state: string, zip: string][] = [
  ["Portland", "OR", "97201"],
  ["Austin", "TX", "73301"],
  ["Boston", "MA", "02108"],
  ["Denver", "CO", "80202"],
];
const MOST_LINES = 3;
const MOST_OF_ONE = 3;

type Random = () => number;

const pick = <T>(from: readonly T[], random: Random): T | undefined => from[Math.floor(random() * from.length)];

export function demoOrder(products: readonly Product[], random: Random = Math.random): NewOrder | undefined {
  const lines = new Map<string, { product: Product; quantity: number }>();
  const wanted = 1 + Math.floor(random() * MOST_LINES);
  for (let line = 0; line < wanted; line += 1) {
    const product = pick(products, random);
    if (product !== undefined) lines.set(product._id, { product, quantity: 1 + Math.floor(random() * MOST_OF_ONE) });
  }
  return orderOf([...lines.values()], random);
}

/** One order of one unit: what everybody wants at a flash sale. */
export const saleOrder = (product: Product, random: Random = Math.random): NewOrder | undefined =>
  orderOf([{ product, quantity: 1 }], random);

function orderOf(lines: readonly { product: Product; quantity: number }[], random: Random): NewOrder | undefined {
  const [first] = lines;
  if (first === undefined) return undefined;
  const [city, state, zipCode] = pick(CITIES, random) ?? ["Portland", "OR", "97201"];
  const items = lines.map(({ product, quantity }) => ({
    productId: product._id,
    productName: product.name,
    quantity,
    price: product.price,
  }));
  return {
    userId: `demo-${pick(PEOPLE, random) ?? "ada"}`,
    items,
    totalAmount: sumOf(items, first.product.currency),
    shippingAddress: { street: `${1 + Math.floor(random() * 900)} Demo Street`, city, state, zipCode, country: "USA" },
    paymentMethod: pick(PAYMENTS, random) ?? "credit_card",
    metadata: { demo: true },
  };
}
