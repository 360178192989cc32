import { expect, live, test } from "./fixtures";
import { Holdfast } from "./holdfast";

test("an empty system says what to do", async ({ page }) => {
  const empty = await new Holdfast().start({ SAMPLE_DATA: "false" });
  try {
    await page.goto(`${empty.url}/orders`);
    await expect(page.getByRole("heading", { name: "No orders yet" })).toBeVisible();
    await page.goto(`${empty.url}/inventory`);
    await expect(page.getByRole("heading", { name: "The catalogue is empty" })).toBeVisible();
    await page.goto(`${empty.url}/try`);
    await expect(page.getByRole("heading", { name: "This server is not in demo mode" })).toBeVisible();
    await expect(page.getByRole("link", { name: "Try it" })).toBeHidden();
    await page.goto(`${empty.url}/topics/order.created`);
    await expect(page.getByRole("heading", { name: "No messages" })).toBeVisible();
  } finally {
    await empty.stop();
  }
});

test("a server that dies is said, and what was missed is there when it is back", async ({ page }) => {
  const mortal = await new Holdfast().start();
  try {
    await page.goto(`${mortal.url}/orders`);
    await live(page);
    const first = await mortal.place();
    await expect(page.getByRole("row", { name: new RegExp(first.orderNumber) })).toContainText("Reserved");
    await mortal.kill();
    await expect(page.getByRole("alert")).toContainText("Not connected");
    await mortal.start();
    const second = await mortal.place();
    await expect(page.getByRole("row", { name: new RegExp(second.orderNumber) })).toBeVisible();
    await live(page);
    await expect(page.getByText("Not connected")).toBeHidden();
  } finally {
    await mortal.stop();
  }
});

test("what is not there is said", async ({ page }) => {
  await page.goto("/orders/650000000000000000000000");
  await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
  await page.goto("/nothing/here");
  await expect(page.getByRole("heading", { name: "There is nothing at this address" })).toBeVisible();
  const missing = await page.request.get("/assets/missing.js");
  expect(missing.status()).toBe(404);
});

test("a failure can be tried again", async ({ page }) => {
  let broken = true;
  await page.route("**/api/v1/topics", (route) =>
    broken
      ? route.fulfill({
          status: 400,
          json: { success: false, code: "INVALID_QUERY", message: "Broken for the test", requestId: "r-1" },
        })
      : route.continue(),
  );
  await page.goto("/topics");
  await expect(page.getByRole("alert")).toContainText("Broken for the test");
  broken = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("link", { name: "order.created", exact: true })).toBeVisible();
});

test("a long list loads by cursor, and keeps only what can be seen in the page", async ({ page, holdfast }) => {
  await Promise.all(Array.from({ length: 250 }, () => holdfast.place({ userId: "many", quantity: 1 })));
  await page.goto("/orders?userId=many");
  const table = page.getByRole("region", { name: "Orders" });
  await expect(page.getByText("250 orders match")).toBeVisible();
  const heights = async () => table.evaluate((box) => box.scrollHeight);
  const first = await heights();
  await expect
    .poll(async () => {
      await table.evaluate((box) => box.scrollTo(0, box.scrollHeight));
      return heights();
    })
    .toBeGreaterThan(first * 2.4);
  expect(await table.locator("tbody tr").count()).toBeLessThan(80);
});

test("the keyboard reaches everything that the mouse does", async ({ page, holdfast }) => {
  const order = await holdfast.place({ ...(await holdfast.goods("Key product", 5)), userId: "keys" });
  await page.goto("/orders?userId=keys");
  await expect(page.getByRole("link", { name: order.orderNumber })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.getByRole("link", { name: order.orderNumber }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Cancel order" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("button", { name: "Cancel order" })).toBeFocused();
});

test("one goes to an order by its number", async ({ page, holdfast }) => {
  const order = await holdfast.place({ userId: "palette" });
  await page.goto("/overview");
  // A page that is loaded does not listen to keys before it is drawn.
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill(order.orderNumber);
  await expect(page.getByRole("option", { name: order.orderNumber })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: order.orderNumber })).toBeVisible();
});
