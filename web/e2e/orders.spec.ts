import { expect, live, test } from "./fixtures";

test("rows come and change by themselves, and filters are in the address", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Live product", 9);
  await page.goto("/orders?userId=orders-live");
  await live(page);
  await expect(page.getByRole("heading", { name: "No order matches" })).toBeVisible();
  const order = await holdfast.place({ ...goods, userId: "orders-live" });
  const row = page.getByRole("row", { name: new RegExp(order.orderNumber) });
  await expect(row).toContainText("Reserved");
  await holdfast.call("PATCH", `orders/api/v1/orders/${order._id}/status`, { status: 2 });
  await expect(row).toContainText("Processing");

  await page.getByLabel("Status", { exact: true }).selectOption("cancelled");
  await expect(page).toHaveURL(/status=cancelled/);
  await expect(row).toBeHidden();
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(page).not.toHaveURL(/status|userId/);
  await page.getByLabel("Search orders").fill(order.orderNumber);
  await expect(page).toHaveURL(/search=ORD-/);
  await page.reload();
  await expect(page.getByLabel("Search orders")).toHaveValue(order.orderNumber);
  await expect(page.getByText("1 order match")).toBeVisible();
});

test("many orders are moved at once, and those that cannot go stay", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Bulk product", 2);
  const ask = { ...goods, userId: "bulk", quantity: 1 };
  const held = [await holdfast.place(ask), await holdfast.place(ask)];
  const short = await holdfast.place(ask);
  await page.goto("/orders?userId=bulk");
  await live(page);
  await expect(page.getByRole("row", { name: new RegExp(short.orderNumber) })).toContainText("Rejected");
  await page.getByLabel("Choose all shown orders").check();
  const bar = page.getByRole("region", { name: "Chosen orders" });
  await expect(bar).toContainText("3 orders chosen");
  await bar.getByRole("button", { name: "Set to Processing (2)" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("1 order cannot go there");
  await dialog.getByRole("button", { name: "Set to Processing" }).click();
  for (const order of held) {
    await expect(page.getByRole("row", { name: new RegExp(order.orderNumber) })).toContainText("Processing");
  }
  await expect(page.getByText("2 orders set to Processing").first()).toBeVisible();
});

test("an order that was rejected says what was short, in red", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Rare product", 1);
  const order = await holdfast.place({ ...goods, quantity: 3 });
  await page.goto(`/orders/${order.orderNumber}`);
  await expect(page.getByText("3 asked for, 1 available")).toBeVisible();
  await expect(page.locator(".moment.failed").first()).toBeVisible();
});

test("an order is moved along to its end", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Moved product", 1);
  const order = await holdfast.place({ ...goods, quantity: 1 });
  await page.goto(`/orders/${order._id}`);
  for (const [status, stock] of [
    ["Processing", "Reserved"],
    ["Shipped", "Fulfilled"],
    ["Delivered", "Fulfilled"],
  ] as const) {
    await page.getByRole("button", { name: `Set to ${status}` }).click();
    await page
      .getByRole("dialog")
      .getByRole("button", { name: `Set to ${status}` })
      .click();
    await expect(page.locator(".page-head [role=status]").first()).toContainText(status);
    await expect(page.locator(".page-head [role=status]").first()).toContainText(stock);
  }
  await expect(page.locator(".timeline")).toContainText("Fulfilled: Moved product");
});
