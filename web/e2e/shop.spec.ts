import { expect, live, test } from "./fixtures";

test("from the shelf to the door", async ({ page, holdfast }) => {
  await page.goto("/shop");
  await live(page);
  await page.getByRole("button", { name: "demo-customer" }).click();
  await page.getByLabel("Customer id").fill("shopper-1");
  await page.getByRole("button", { name: "Shop as this customer" }).click();
  await page.getByLabel("Search products").fill("webcam");
  await expect(page.locator(".card")).toHaveCount(1);
  await expect(page.locator(".card")).toContainText("Sold out");
  await page.getByLabel("In stock only").check();
  await expect(page.getByRole("heading", { name: "Nothing matches" })).toBeVisible();
  await page.getByRole("button", { name: "Show everything" }).click();
  await page.getByLabel("Lowest price").fill("100");
  await page.getByLabel("Category").selectOption("Electronics");
  await page.getByRole("link", { name: "Tactile 75 Mechanical Keyboard" }).click();
  await page.getByRole("button", { name: "One more" }).click();
  await page.getByRole("button", { name: "Add to cart" }).click();
  await page.getByRole("button", { name: "Go to the cart (2)" }).click();
  await expect(page.locator(".sums .total").last()).toHaveText("$298.00");
  await page.getByRole("link", { name: "Check out" }).click();
  await page.getByLabel("Street and number").fill("1 Test Street");
  await page.getByText("Cash on delivery").click();
  await page.getByRole("button", { name: "Order for $298.00" }).click();
  await expect(page.getByText("What happened")).toBeVisible();
  await expect(page.locator(".track")).toContainText("Set aside");
  await expect(page.locator(".track li.done", { hasText: "Set aside" })).toBeVisible();

  const { orders } = await holdfast.call<{ orders: { _id: string; orderNumber: string }[] }>(
    "GET",
    "orders/api/v1/orders/user/shopper-1",
  );
  const [order] = orders;
  expect(orders).toHaveLength(1);
  await page.getByRole("link", { name: "My orders" }).first().click();
  const card = page.locator(`[data-order='${order?.orderNumber}']`);
  await holdfast.call("PATCH", `orders/api/v1/orders/${order?._id}/status`, { status: 2 });
  await expect(card).toContainText("Processing");
  await expect(page.getByText(`${order?.orderNumber} is processing`).first()).toBeVisible();
  await card.getByRole("button", { name: "Cancel order" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel order" }).click();
  await expect(card).toContainText("Cancelled");
});

test("counts on the shelf are live, and a short line offers what is left", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Shelf product", 5);
  await page.goto(`/shop/products/${goods.productId}`);
  await live(page);
  await page.getByRole("spinbutton", { name: "Quantity" }).fill("4");
  await page.getByRole("button", { name: "Add to cart" }).click();
  await page.goto("/shop/cart");
  await live(page);
  await holdfast.place({ ...goods, quantity: 3 });
  await expect(page.getByRole("alert")).toContainText("Only 2 of the 4 are left");
  await expect(page.getByRole("button", { name: "Check out" })).toBeDisabled();
  await page.getByRole("button", { name: "Take 2" }).click();
  await page.getByRole("link", { name: "Check out" }).click();
  await expect(page.getByRole("button", { name: "Order for $20.00" })).toBeEnabled();
});

test("an order that could not be filled offers what is left of it", async ({ page, holdfast }) => {
  const goods = await holdfast.goods("Last product", 2);
  const order = await holdfast.place({ ...goods, userId: "demo-customer", quantity: 5 });
  await page.goto(`/shop/orders/${order._id}`);
  await expect(page.getByText("you asked for 5, 2 were left")).toBeVisible();
  await page.getByRole("button", { name: "Take what is left" }).click();
  await expect(page.getByRole("link", { name: "Last product" })).toBeVisible();
  await expect(page.locator(".sums .total").last()).toHaveText("$20.00");
});
