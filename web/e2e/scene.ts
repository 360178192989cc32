/** A system in which everything there is to see is there, and how a page of it is looked at. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { expect, live } from "./fixtures";
import type { Holdfast } from "./holdfast";

/** Kept as artefacts of the run. */
export const FOLDER = "screenshots";

export interface Scene {
  /** Of an order that was shipped, and of one that was rejected. */
  shipped: string;
  rejected: string;
  screens: readonly (readonly [name: string, path: string])[];
}

const scenes = new WeakMap<Holdfast, Promise<Scene>>();

/** Fills a system once, whoever asks first. */
export function sceneOf(holdfast: Holdfast): Promise<Scene> {
  const known = scenes.get(holdfast) ?? fill(holdfast);
  scenes.set(holdfast, known);
  return known;
}

async function fill(holdfast: Holdfast): Promise<Scene> {
  const goods = await holdfast.call<{ products: { _id: string; name: string; price: number }[] }>(
    "GET",
    "products/api/v1/products?inStock=true&limit=24",
  );
  const placed = [];
  for (const [index, { _id, name, price }] of goods.products.entries()) {
    placed.push(
      await holdfast.place({
        userId: index % 2 === 0 ? "demo-customer" : "ada",
        productId: _id,
        name,
        price,
        quantity: 1 + (index % 3),
      }),
    );
  }
  const rejected = await holdfast.place({ userId: "demo-customer", quantity: 9_999 });
  const [first] = placed;
  await expect.poll(async () => (await holdfast.order(first?._id ?? "")).stockStatus).toBe("reserved");
  for (const status of [2, 3]) await holdfast.call("PATCH", `orders/api/v1/orders/${first?._id}/status`, { status });
  await fetch(`${holdfast.url}/demo/poison`, { method: "POST" });
  await expect
    .poll(async () => (await holdfast.call<{ count: number }>("GET", "products/api/v1/dead-letters")).count)
    .toBeGreaterThan(0);
  const screens = [
    ["overview", "/overview"],
    ["orders", "/orders"],
    ["order", `/orders/${first?._id}`],
    ["order-rejected", `/orders/${rejected._id}`],
    ["inventory", "/inventory"],
    ["product", "/inventory/650000000000000000000001"],
    ["topics", "/topics"],
    ["topic", "/topics/inventory.reserve"],
    ["message", "/topics/inventory.reserve?message=0:0"],
    ["groups", "/groups"],
    ["dead-letters", "/dead-letters"],
    ["try", "/try"],
    ["shop", "/shop"],
    ["shop-product", "/shop/products/650000000000000000000008"],
    ["shop-cart", "/shop/cart"],
    ["shop-checkout", "/shop/checkout"],
    ["shop-orders", "/shop/orders"],
    ["shop-order", `/shop/orders/${rejected._id}`],
  ] as const;
  return { shipped: first?._id ?? "", rejected: rejected._id, screens };
}

/** What is in the shopper's cart: of one of the two there is not enough. */
export const CART = [
  {
    productId: "650000000000000000000005",
    name: "Tactile 75 Mechanical Keyboard",
    price: 149,
    currency: "USD",
    category: "Electronics",
    quantity: 1,
  },
  {
    productId: "650000000000000000000014",
    name: "End-Grain Cutting Board",
    price: 44.5,
    currency: "USD",
    category: "Home & Kitchen",
    quantity: 50,
  },
];

/** The page as it is when it has been loaded. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await live(page);
  await expect(page.locator("[role=status][aria-label^=Loading]")).toHaveCount(0);
  await expect(page.locator("h1").first()).toBeAttached();
}

/** What axe finds that is serious. */
export async function serious(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter((found) => found.impact === "serious" || found.impact === "critical")
    .map((found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}
