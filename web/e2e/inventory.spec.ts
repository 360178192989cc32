import { expect, live, test, tile } from "./fixtures";

test("why something is not available is answered on one screen", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Wanted product", 3);
  const order = await holdfast.place({ ...goods, quantity: 3 });
  await page.goto("/inventory?search=Wanted");
  const row = page.getByRole("row", { name: /Wanted product/ });
  await expect(row).toContainText("Sold out");
  await row.getByRole("link").click();
  await expect(page.getByText("All 3 on hand are held for 1 order.")).toBeVisible();
  await expect(page.getByRole("link", { name: order.orderNumber }).first()).toBeVisible();
  await expect(page.getByRole("img", { name: /Available stock over the last/ })).toBeVisible();
});

test("stock is adjusted with a reason, and not below what is held", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Counted product", 5);
  const order = await holdfast.place({ ...goods, quantity: 4 });
  await page.goto(`/inventory/${goods.productId}`);
  await live(page);
  const available = tile(page, "Available");
  await expect(available).toHaveText("1");
  await page.getByRole("button", { name: "Adjust stock" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Change").fill("-3");
  await dialog.getByLabel("Reason").fill("Damaged");
  await dialog.getByRole("button", { name: "Adjust" }).click();
  await expect(dialog.getByRole("alert")).toContainText(order.orderNumber);
  await dialog.getByLabel("Change").fill("10");
  await dialog.getByRole("button", { name: "Adjust" }).click();
  await expect(available).toHaveText("11");
  await page.getByRole("tab", { name: "Movements" }).click();
  await expect(page.getByRole("row", { name: /Adjusted/ })).toContainText("Damaged");
});
