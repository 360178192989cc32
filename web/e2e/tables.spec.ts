/** What every table of the console can do: views, columns, keys, and standing still while rows come in. */
import type { Page } from "@playwright/test";

import { expect, live, test } from "./fixtures";

const table = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

test("filters are saved under a name, renamed, replaced and removed; the address says them", async ({ page }) => {
  await page.goto("/orders");
  await page.getByLabel("Status", { exact: true }).selectOption("pending");
  await page.getByLabel("Customer", { exact: true }).fill("ada");
  await expect(page).toHaveURL(/userId=ada/);
  await page.getByRole("button", { name: "Save view" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Today");
  await expect(dialog).toContainText("There is a view of this name already");
  await dialog.getByLabel("Name").fill("Ada waits");
  await dialog.getByRole("button", { name: "Save" }).click();
  const views = page.getByRole("navigation", { name: "Views" });
  await expect(views.getByRole("link", { name: "Ada waits" })).toHaveAttribute("aria-current", "true");
  await expect(page.getByRole("button", { name: "Save view" })).toBeHidden();

  await views.getByRole("link", { name: "All", exact: true }).click();
  await expect(page).toHaveURL(/\/orders$/);
  await page.reload();
  await views.getByRole("link", { name: "Ada waits" }).click();
  await expect(page.getByLabel("Customer", { exact: true })).toHaveValue("ada");
  await expect(page).toHaveURL(/status=pending/);

  await page.getByRole("button", { name: "View Ada waits" }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  await dialog.getByLabel("Name").fill("Hers");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByLabel("Status", { exact: true }).selectOption("shipped");
  await page.getByRole("button", { name: "View Hers" }).click();
  await page.getByRole("menuitem", { name: "Replace with these filters" }).click();
  await expect(views.getByRole("link", { name: "Hers" })).toHaveAttribute("aria-current", "true");
  await page.getByRole("button", { name: "View Hers" }).click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  await expect(views.getByRole("link", { name: "Hers" })).toBeHidden();
});

test("views of our own show what they say", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Viewed product", 3);
  const held = await holdfast.place({ ...goods, userId: "viewer", quantity: 3 });
  const rejected = await holdfast.place({ ...goods, userId: "viewer", quantity: 1 });
  await expect.poll(async () => (await holdfast.order(rejected._id)).stockStatus).toBe("rejected");
  await page.goto("/orders");
  const views = page.getByRole("navigation", { name: "Views" });
  await views.getByRole("link", { name: "Rejected" }).click();
  await expect(page.getByRole("row", { name: new RegExp(rejected.orderNumber) })).toBeVisible();
  await expect(page.getByRole("row", { name: new RegExp(held.orderNumber) })).toBeHidden();
  await views.getByRole("link", { name: "Stuck pending" }).click();
  await expect(page.getByRole("heading", { name: "No order matches" })).toBeVisible();
  await views.getByRole("link", { name: "Today" }).click();
  await expect(page.getByRole("row", { name: new RegExp(held.orderNumber) })).toBeVisible();
});

test("an order comes into a list when it begins to match, and leaves when it does no longer", async ({
  page,
  holdfast,
}) => {
  const goods = await holdfast.goods("Arriving product", 3);
  const order = await holdfast.place({ ...goods, userId: "arriving", quantity: 1 });
  await expect.poll(async () => (await holdfast.order(order._id)).stockStatus).toBe("reserved");
  await page.goto("/orders?status=processing&userId=arriving");
  await live(page);
  await expect(page.getByRole("heading", { name: "No order matches" })).toBeVisible();
  await holdfast.call("PATCH", `orders/api/v1/orders/${order._id}/status`, { status: 2 });
  const row = page.getByRole("row", { name: new RegExp(order.orderNumber) });
  await expect(row).toContainText("Processing");
  await holdfast.call("PATCH", `orders/api/v1/orders/${order._id}/status`, { status: 3 });
  await expect(row).toBeHidden();
});

test("columns, density and the way of times are chosen, and kept", async ({ page, holdfast }) => {
  await holdfast.place({ userId: "columns" });
  await page.goto("/orders?userId=columns");
  const row = table(page, "Orders").locator("tr[data-index]").first();
  const normal = (await row.boundingBox())?.height ?? 0;
  await page.getByRole("button", { name: "Columns and rows" }).click();
  const options = page.getByRole("dialog", { name: "Columns and rows" });
  await options.getByLabel("Customer").uncheck();
  await options.getByLabel("Compact").check();
  await options.getByLabel("Ago").check();
  await expect(page.getByRole("columnheader", { name: "Customer" })).toBeHidden();
  await expect(row).toContainText(/ago|just now/);
  expect((await row.boundingBox())?.height).toBeLessThan(normal);
  await page.reload();
  await expect(row).toContainText(/ago|just now/);
  await expect(page.getByRole("columnheader", { name: "Customer" })).toBeHidden();
});

test("rows that come in do not move what is read, and back is where one was", async ({ page, holdfast }) => {
  const user = "steady";
  await Promise.all(Array.from({ length: 60 }, () => holdfast.place({ userId: user, quantity: 1 })));
  await page.goto(`/orders?userId=${user}`);
  await live(page);
  const box = table(page, "Orders");
  await expect(box.locator("tr[data-index]").first()).toBeVisible();
  await box.evaluate((element) => element.scrollTo(0, 900));
  const read = box.locator("tr[data-index='30'] a");
  await expect(read).toBeVisible();
  const number = await read.innerText();
  const before = (await read.boundingBox())?.y;
  await holdfast.place({ userId: user, quantity: 1 });
  const newer = page.getByRole("button", { name: "1 new row above" });
  await expect(newer).toBeVisible();
  const same = box.getByRole("link", { name: number });
  expect((await same.boundingBox())?.y).toBe(before);

  await same.click();
  await expect(page.getByRole("heading", { name: number })).toBeVisible();
  await page.goBack();
  await expect(same).toBeInViewport();

  await holdfast.place({ userId: user, quantity: 1 });
  await newer.click();
  await expect.poll(() => box.evaluate((element) => element.scrollTop)).toBe(0);
  await expect(newer).toBeHidden();
});

test("single keys go to screens, search, and walk through rows; they can be switched off", async ({
  page,
  holdfast,
}) => {
  const goods = await holdfast.goods("Walked product", 9);
  const [older, newer] = [
    await holdfast.place({ ...goods, userId: "walker", quantity: 1 }),
    await holdfast.place({ ...goods, userId: "walker", quantity: 1 }),
  ];
  await page.goto("/overview");
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("i");
  await expect(page.getByRole("heading", { name: "Inventory" })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search products")).toBeFocused();

  await page.goto("/orders?userId=walker");
  await expect(page.getByRole("link", { name: newer.orderNumber })).toBeVisible();
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: newer.orderNumber })).toBeFocused();
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: older.orderNumber })).toBeFocused();
  await page.keyboard.press("x");
  await expect(page.getByText("1 order chosen")).toBeVisible();
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: newer.orderNumber })).toBeVisible();

  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await expect(help).toContainText("Consumer groups");
  await help.getByLabel("Single keys do something").uncheck();
  await page.keyboard.press("Escape");
  await expect(help).toBeHidden();
  await page.keyboard.press("g");
  await page.keyboard.press("i");
  await expect(page.getByRole("heading", { name: newer.orderNumber })).toBeVisible();
  await page.keyboard.press("?");
  await expect(help).toBeVisible();
});
