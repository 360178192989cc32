/** The whole way with the keyboard alone: what has the focus is seen, and everything can be reached. */
import type { Page } from "@playwright/test";

import { expect, live, test } from "./fixtures";

/** More steps than any screen has before what is wanted. */
const MOST_STEPS = 120;

/** Presses Tab until what has the focus says `name`, and sees that each stop on the way shows that it has it. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      if (!(element instanceof HTMLElement)) return { said: "", isSeen: true };
      const label = element.id === "" ? null : document.querySelector(`label[for="${element.id}"]`);
      const said = element.getAttribute("aria-label") ?? label?.textContent ?? element.textContent;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { said, isSeen: outlineStyle !== "none" && outlineWidth !== "0px" };
    });
    expect(focus.isSeen, `the focus on “${focus.said}” is seen`).toBe(true);
    if (name.test(focus.said)) return;
  }
  throw new Error(`${MOST_STEPS} times Tab, and not at ${String(name)}`);
}

test("an order is placed, watched and cancelled with the keyboard alone", async ({ page, holdfast }) => {
  await holdfast.goods("Keyboard goods", 5);
  await page.goto("/shop?search=Keyboard+goods");
  await live(page);
  await expect(page.getByRole("link", { name: "Keyboard goods" })).toBeVisible();
  await tabTo(page, /^Add Keyboard goods to the cart$/);
  await page.keyboard.press("Enter");
  await page.goto("/shop/cart");
  await live(page);
  await tabTo(page, /^One more$/);
  await page.keyboard.press("Space");
  await tabTo(page, /^Check out$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Checkout" })).toBeVisible();
  await tabTo(page, /^Street and number$/);
  await page.keyboard.press("Control+a");
  await page.keyboard.type("5 Key Street");
  await tabTo(page, /^Order for \$20\.00$/);
  await page.keyboard.press("Enter");
  await expect(page.locator(".track li.done", { hasText: "Set aside" })).toBeVisible();
  await tabTo(page, /^Cancel order$/);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  await tabTo(page, /^Cancel order$/);
  await page.keyboard.press("Enter");
  await expect(page.getByText("It was cancelled.")).toBeVisible();
  await expect(page.getByText("5 Key Street")).toBeVisible();
});

test("the focus stays inside of what is open, and goes back to where it was", async ({ page, holdfast }) => {
  const order = await holdfast.place({ ...(await holdfast.goods("Focused product", 5)), quantity: 1 });
  await page.goto(`/orders/${order._id}`);
  await expect(page.getByRole("button", { name: "Cancel order" })).toBeVisible();
  await tabTo(page, /^Cancel order$/);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    await expect(dialog.locator(":focus")).toHaveCount(1);
  }
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Cancel order" })).toBeFocused();
});
