/** A message, what is beside it, and the way to and from its order. */
import { expect, live, test } from "./fixtures";
import { Holdfast } from "./holdfast";

interface Step {
  events: { topic: string; partition: number; offset: number; eventType: string }[];
}

test("from an order to its message, to the one before it, and back to the moment", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Traced product", 9);
  const order = await holdfast.place({ ...goods, quantity: 1 });
  await expect.poll(async () => (await holdfast.order(order._id)).stockStatus).toBe("reserved");
  await page.goto(`/orders/${order._id}`);
  const timeline = page.locator(".timeline");
  await expect(page.getByText(/decided in .*, 2 events, 1 stock movement/)).toBeVisible();
  await timeline.getByRole("link", { name: /^inventory\.reserve,/ }).click();
  const sheet = page.getByRole("dialog", { name: "STOCK_RESERVE_REQUEST" });
  await expect(sheet.getByRole("region", { name: "Payload" })).toContainText(order.orderNumber);
  await expect(sheet.getByRole("link", { name: `"${goods.productId}"` })).toHaveAttribute(
    "href",
    `/inventory/${goods.productId}`,
  );
  await sheet.getByRole("button", { name: "Close all" }).click();
  await expect(sheet.getByText('"Traced product"')).toBeHidden();
  await sheet.getByRole("button", { name: "As text" }).click();
  await expect(sheet.getByText('"Traced product"')).toBeVisible();
  await sheet.getByRole("link", { name: order._id, exact: true }).click();
  await expect(timeline.locator("[aria-current=location]")).toContainText("STOCK_RESERVE_REQUEST");
});

test("one goes from message to message of a partition, and jumps to an offset and to a time", async ({ page }) => {
  const holdfast = await new Holdfast().start();
  try {
    const orders = [];
    for (let n = 0; n < 12; n += 1) orders.push(await holdfast.place({ quantity: 1 }));
    // Which partition has an order is its key's; one with three messages there is enough.
    const placed = await Promise.all(
      orders.map(async (order) => {
        const { steps } = await holdfast.call<{ steps: Step[] }>("GET", `orders/api/v1/orders/${order._id}/timeline`);
        const event = steps[0]?.events.find((one) => one.topic === "order.created");
        if (event === undefined) throw new Error("an event of the order");
        return { order, ...event };
      }),
    );
    const busiest = [0, 1, 2]
      .map((partition) => placed.filter((one) => one.partition === partition))
      .reduce((most, some) => (some.length > most.length ? some : most));
    const [first, second, third] = busiest;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three in a partition");

    await page.goto(`${holdfast.url}/topics/order.created?message=${second.partition}:${second.offset}`);
    const payload = page.getByRole("dialog").getByRole("region", { name: "Payload" });
    await expect(payload).toContainText(second.order.orderNumber);
    await page.getByRole("button", { name: "Newer message" }).click();
    await expect(payload).toContainText(third.order.orderNumber);
    await page.getByRole("button", { name: "Older message" }).click();
    await page.getByRole("button", { name: "Older message" }).click();
    await expect(payload).toContainText(first.order.orderNumber);
    await page.getByRole("button", { name: "Older message" }).click();
    await expect(page.getByRole("button", { name: "Older message" })).toBeDisabled();
    await page.keyboard.press("Escape");

    const rows = page.locator("tr[data-index]");
    await page.getByRole("button", { name: "Jump to…" }).click();
    const jump = page.getByRole("dialog", { name: "Jump to" });
    await jump.getByLabel("Partition").selectOption(String(second.partition));
    await jump.getByLabel("Offset", { exact: true }).fill(String(second.offset));
    await jump.getByRole("button", { name: "Jump" }).click();
    await expect(rows).toHaveCount(2);
    await expect(rows.first()).toContainText(`${second.partition} : ${second.offset}`);
    await page.getByRole("button", { name: `From offset ${second.offset} back` }).click();
    await expect(rows).toHaveCount(busiest.length);

    await page.getByRole("button", { name: "Jump to…" }).click();
    await jump.getByLabel("To", { exact: true }).selectOption("time");
    await jump.getByLabel("Time", { exact: true }).fill("2001-01-01T00:00:00");
    await jump.getByRole("button", { name: "Jump" }).click();
    await expect(jump.getByRole("alert")).toContainText("No message is as old as that");
    await jump.getByLabel("Time", { exact: true }).fill("2099-01-01T00:00:00");
    await jump.getByRole("button", { name: "Jump" }).click();
    await expect(rows).toHaveCount(busiest.length);
    await expect(rows.first()).toContainText(`${second.partition} : ${busiest.at(-1)?.offset}`);
  } finally {
    await holdfast.stop();
  }
});

test("what is not followed is counted, and followed from there on", async ({ page, holdfast }) => {
  await holdfast.place();
  await page.goto("/topics/order.created");
  await expect(page.locator("tr[data-index]").first()).toBeVisible();
  const order = await holdfast.place();
  await page.getByRole("button", { name: "Follow live (1 newer)" }).click();
  await expect(page.getByRole("row", { name: new RegExp(order._id) })).toBeVisible();
  await page.getByRole("button", { name: "Following" }).click();
  await expect(page.getByRole("button", { name: "Follow live", exact: true })).toBeVisible();
});

test("dead letters come page by page, and are filtered", async ({ page }) => {
  test.setTimeout(120_000);
  // It warns of each of them.
  const holdfast = await new Holdfast().start({ LOG: "error" });
  try {
    const letters = 130;
    for (let n = 0; n < letters; n += 1) await fetch(`${holdfast.url}/demo/poison`, { method: "POST" });
    await page.goto(`${holdfast.url}/dead-letters`);
    await live(page);
    await expect(page.getByText(`${letters} messages parked. All other orders go on.`)).toBeVisible();
    const box = page.getByRole("region", { name: "Dead letters" });
    const last = box.getByRole("link", { name: `products-${letters}`, exact: true });
    await expect
      .poll(async () => {
        await box.evaluate((element) => element.scrollTo(0, element.scrollHeight));
        return last.count();
      })
      .toBe(1);
    await last.click();
    await expect(page.getByRole("dialog", { name: `products-${letters}` })).toContainText("inventory.reserve");
    await page.keyboard.press("Escape");
    await page.getByLabel("Topic", { exact: true }).selectOption("inventory.release");
    await expect(page.getByRole("heading", { name: "No dead letter matches" })).toBeVisible();
  } finally {
    await holdfast.stop();
  }
});

test("topics are found by a part of their name", async ({ page, holdfast }) => {
  await holdfast.place();
  await page.goto("/topics");
  await page.getByLabel("Search topics").fill("dlq");
  await expect(page.getByRole("link", { name: "order.created", exact: true })).toBeHidden();
  await page.getByLabel("Search topics").fill("order.created");
  await page.getByLabel("With messages only").check();
  await expect(page.locator("tr[data-index]")).toHaveCount(1);
});
