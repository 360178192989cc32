/** Every screen, as it looks: pictures to be looked at, what a screen reader would stumble over, and what does not fit. */
import { expect, test } from "./fixtures";
import { CART, FOLDER, open, sceneOf, serious } from "./scene";

test.beforeEach(async ({ page }) => {
  await page.addInitScript((cart) => {
    localStorage.setItem("holdfast.shopper", JSON.stringify({ customer: "demo-customer", cart }));
  }, CART);
});

for (const theme of ["light", "dark"] as const) {
  test(`axe finds nothing serious on any screen, ${theme}`, async ({ page, holdfast }) => {
    test.setTimeout(300_000);
    const { screens } = await sceneOf(holdfast);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    for (const [name, path] of screens) {
      await open(page, path);
      await page.screenshot({ path: `${FOLDER}/${name}-${theme}.png` });
      expect(await serious(page), `${name}, ${theme}`).toEqual([]);
    }
  });
}

test("every screen fits a phone", async ({ page, holdfast }) => {
  test.setTimeout(300_000);
  const { screens } = await sceneOf(holdfast);
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
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Status", { exact: true }).selectOption("pending");
  await expect(page.getByRole("button", { name: "Filters (1)" })).toBeVisible();
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "Inventory" }).click();
  await expect(page.getByRole("heading", { name: "Inventory" })).toBeVisible();
  await expect(page.getByRole("dialog")).toBeHidden();
});
