/** Every screen, as it looks: pictures to be looked at, what a screen reader would stumble over, and what does not fit. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { expect, live, test } from "./fixtures";
import type { Holdfast } from "./holdfast";

const FOLDER = "screenshots";
let screens: [name: string, path: string][] = [];

async function fill(holdfast: Holdfast): Promise<void> {
  if (screens.length > 0) return;
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
  screens = [
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
  ];
}

const CART = [
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

async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await live(page);
  await expect(page.locator("[role=status][aria-label^=Loading]")).toHaveCount(0);
  await expect(page.locator("h1").first()).toBeAttached();
}

test.beforeEach(async ({ page, holdfast }) => {
  await fill(holdfast);
  await page.addInitScript((cart) => {
    localStorage.setItem("holdfast.shopper", JSON.stringify({ customer: "demo-customer", cart }));
  }, CART);
});

for (const theme of ["light", "dark"] as const) {
  test(`axe finds nothing serious on any screen, ${theme}`, async ({ page }) => {
    test.setTimeout(300_000);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    for (const [name, path] of screens) {
      await open(page, path);
      await page.screenshot({ path: `${FOLDER}/${name}-${theme}.png` });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((found) => found.impact === "serious" || found.impact === "critical");
      const told = serious.map(
        (found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
      );
      expect(told, `${name}, ${theme}`).toEqual([]);
    }
  });
}

test("every screen fits a phone", async ({ page }) => {
  test.setTimeout(300_000);
  await page.setViewportSize({ width: 390, height: 844 });
  for (const [name, path] of screens) {
    await open(page, path);
    await page.screenshot({ path: `${FOLDER}/${name}-phone.png` });
    const tooWide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(tooWide, name).toBeLessThanOrEqual(0);
  }
  await page.goto("/orders");
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "Inventory" }).click();
  await expect(page.getByRole("heading", { name: "Inventory" })).toBeVisible();
  await expect(page.getByRole("dialog")).toBeHidden();
});
