import { expect, live, test } from "./fixtures";

test("a topic is followed live, filtered, and read message by message", async ({ page, holdfast }) => {
  await page.goto("/topics/order.created");
  await page.getByRole("button", { name: "Follow live" }).click();
  const order = await holdfast.place({ userId: "follower" });
  const row = page.getByRole("row", { name: new RegExp(order._id) });
  await expect(row).toBeVisible();
  await page.getByLabel("Filter messages").fill("no such thing");
  await expect(page.getByRole("heading", { name: "No loaded message matches" })).toBeVisible();
  await page.getByLabel("Filter messages").fill(`follower ${order.orderNumber}`);
  await expect(row).toBeVisible();
  await row.getByRole("link").click();
  await expect(page.getByRole("dialog")).toContainText("follower");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("topics have counts, and groups their lag", async ({ page, holdfast }) => {
  await holdfast.place();
  await page.goto("/topics");
  await expect(page.getByRole("row", { name: /^inventory\.reserved\.dlq/ })).toBeVisible();
  await page.goto("/groups");
  for (const group of ["orders-service-group", "products-service-group"]) {
    await expect(page.getByRole("heading", { name: group })).toBeVisible();
  }
  await expect(page.getByText("Everything has been taken in.")).toBeVisible();
});

test("poison is parked, tried and discarded, and nobody else waits", async ({ page, holdfast }) => {
  await page.goto("/try");
  await live(page);
  await page.getByRole("button", { name: "Send poison" }).click();
  await expect(page.getByText(/Put at/)).toBeVisible();
  const behind = await holdfast.place({ ...(await holdfast.goods("Behind poison", 1)), quantity: 1 });
  await expect.poll(async () => (await holdfast.order(behind._id)).stockStatus).toBe("reserved");
  await page
    .getByRole("navigation", { name: "Console" })
    .getByRole("link", { name: /Dead letters/ })
    .click();
  await page.getByRole("row", { name: /Unreadable/ }).click();
  const sheet = page.getByRole("dialog");
  await expect(sheet.getByRole("region", { name: "Payload" })).toContainText("STOCK_RESERVE_REQUEST");
  await sheet.getByRole("button", { name: "Try a replay" }).click();
  await expect(sheet.getByText(/stays:/)).toBeVisible();
  await sheet.getByRole("button", { name: "Try a discard" }).click();
  await sheet.getByRole("button", { name: "Discard it" }).click();
  await expect(page.getByRole("heading", { name: "No dead letters" })).toBeVisible();
});

test("a paused consumer catches up, and a stream sent twice changes nothing", async ({ page, holdfast }) => {
  await page.goto("/try");
  await live(page);
  const goods = await holdfast.goods("Waiting product", 5);
  const lag = page.locator(".stat", { hasText: "Consumer lag" });
  await page.getByRole("button", { name: "Pause Products" }).click();
  await expect(lag).toContainText("consumer paused");
  const waiting = await holdfast.place({ ...goods, quantity: 1 });
  await expect(lag.locator(".value")).not.toHaveText("0");
  expect((await holdfast.order(waiting._id)).stockStatus).toBe("pending");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect.poll(async () => (await holdfast.order(waiting._id)).stockStatus).toBe("reserved");
  await expect(lag.locator(".value")).toHaveText("0");

  interface Stock {
    product: { stock: number; onHand: number; version: number };
  }
  const stock = () => holdfast.call<Stock>("GET", `products/api/v1/products/${goods.productId}`);
  const before = await stock();
  await page.getByRole("button", { name: "Send everything twice" }).click();
  await expect(page.getByText(/were sent again/)).toBeVisible();
  await expect(lag.locator(".value")).toHaveText("0");
  expect(await stock()).toEqual(before);
});

test("a flash sale sells what there is, and a hundred orders are all decided", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Sale product", 20);
  await page.goto("/try");
  await live(page);
  await page.getByLabel("Product", { exact: true }).selectOption(goods.productId);
  await page.getByRole("button", { name: "Open the sale" }).click();
  await expect(page.getByText(/60 of 60 accepted/)).toBeVisible();
  await expect(page.getByText(/0 available, 20 held of 20/)).toBeVisible();
  await page.getByRole("button", { name: "100", exact: true }).click();
  await expect(page.getByText(/100 of 100 accepted/)).toBeVisible();
  await page.goto("/orders?status=pending&search=Sale");
  await expect(page.getByText("20 orders match")).toBeVisible();
});
