import type { Page } from "@playwright/test";

import { expect, live, test, tile } from "./fixtures";
import { Holdfast, TEST_PRODUCT } from "./holdfast";

/** The document that the product was ordered with: create, see it in Topics, cancel, stock back. */
test("the quick start, looked at", async ({ page }) => {
  // Of its own: the document counts from 50.
  const holdfast = await new Holdfast().start();
  try {
    await walk(page, holdfast);
  } finally {
    await holdfast.stop();
  }
});

async function walk(page: Page, holdfast: Holdfast): Promise<void> {
  await page.goto(`${holdfast.url}/inventory/${TEST_PRODUCT}`);
  await live(page);
  const available = tile(page, "Available");
  await expect(available).toHaveText("50");

  // Test 1: create an order; Products says "new stock: 48".
  const order = await holdfast.place();
  await expect(available).toHaveText("48");
  await expect(page.getByRole("link", { name: order.orderNumber }).first()).toBeVisible();

  // Test 2: "Click Topics. View inventory.reserve topic. See your message."
  await page.goto(holdfast.url);
  await page.getByRole("navigation", { name: "Console" }).getByRole("link", { name: "Topics" }).click();
  await page.getByRole("link", { name: "inventory.reserve", exact: true }).click();
  await page.getByRole("row", { name: new RegExp(order._id) }).click();
  const message = page.getByRole("dialog", { name: "STOCK_RESERVE_REQUEST" });
  await expect(message.getByRole("region", { name: "Payload" })).toContainText(order.orderNumber);
  await expect(message).toContainText("ce_specversion");

  // Order Cancelled Flow.
  await message.getByRole("link", { name: order._id, exact: true }).click();
  await expect(page.getByRole("heading", { name: order.orderNumber })).toBeVisible();
  await page.getByRole("button", { name: "Cancel order" }).click();
  await page.getByRole("dialog").getByLabel("Reason (optional)").fill("changed my mind");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel order" }).click();
  const states = page.locator(".page-head [role=status]").first();
  await expect(states).toContainText("Cancelled");
  await expect(states).toContainText("Released");
  const timeline = page.locator(".timeline");
  await expect(timeline).toContainText("STOCK_RELEASE_REQUEST");
  await expect(timeline).toContainText("Released: Test Product");
  await expect(timeline).toContainText("Pushed live: order:cancelled");

  // Stock restored.
  await page.goto(`${holdfast.url}/inventory/${TEST_PRODUCT}`);
  await expect(available).toHaveText("50");
  await page.getByRole("tab", { name: "Movements" }).click();
  await expect(page.getByRole("region", { name: "Movements" })).toContainText("Released");
}
