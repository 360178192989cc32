/** What lies over the screens: dialogs, sheets, menus and toasts, looked at and listened to in both themes. */
import type { Page } from "@playwright/test";

import { expect, test } from "./fixtures";
import { CART, FOLDER, open, sceneOf, serious, type Scene } from "./scene";

interface Layer {
  name: string;
  path: (scene: Scene) => string;
  /** Opens it, and is over when it is there. */
  show: (page: Page) => Promise<void>;
}

const click = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).first().click();
const dialog = (page: Page) => expect(page.getByRole("dialog").first()).toBeVisible();

const LAYERS: readonly Layer[] = [
  {
    name: "palette",
    path: () => "/overview",
    show: async (page) => {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").fill("test");
      await expect(page.getByRole("option", { name: "Test Product" })).toBeVisible();
    },
  },
  {
    name: "shortcuts",
    path: () => "/overview",
    show: async (page) => {
      await click(page, "Keyboard shortcuts");
      await dialog(page);
    },
  },
  {
    name: "save-view",
    path: () => "/orders?status=pending",
    show: async (page) => {
      await click(page, "Save view");
      await dialog(page);
    },
  },
  {
    name: "table-options",
    path: () => "/orders",
    show: async (page) => {
      await click(page, "Columns and rows");
      await dialog(page);
    },
  },
  {
    name: "bulk",
    path: () => "/orders?userId=ada",
    show: async (page) => {
      await page.getByLabel("Choose all shown orders").check();
      await page.getByRole("button", { name: /^Set to Processing/ }).click();
      await dialog(page);
    },
  },
  {
    name: "move-order",
    path: ({ shipped }) => `/orders/${shipped}`,
    show: async (page) => {
      await click(page, "Cancel order");
      await dialog(page);
    },
  },
  {
    name: "adjust",
    path: () => "/inventory/650000000000000000000001",
    show: async (page) => {
      await click(page, "Adjust stock");
      await page.getByRole("spinbutton", { name: "Change" }).fill("1.5");
      await expect(page.getByText("A whole number other than 0")).toBeVisible();
    },
  },
  {
    name: "jump",
    path: () => "/topics/inventory.reserve",
    show: async (page) => {
      await click(page, "Jump to…");
      await dialog(page);
    },
  },
  {
    name: "dead-letter",
    path: () => "/dead-letters",
    show: async (page) => {
      await page
        .getByRole("link", { name: /^products-/ })
        .first()
        .click();
      await page.getByRole("button", { name: "Try a replay" }).click();
      await expect(page.getByText(/stays:/)).toBeVisible();
    },
  },
  {
    name: "every-step",
    path: ({ rejected }) => `/shop/orders/${rejected}`,
    show: async (page) => {
      await click(page, "Every step");
      await expect(page.locator(".timeline")).toBeVisible();
    },
  },
  {
    name: "shopper",
    path: () => "/shop",
    show: async (page) => {
      await click(page, "demo-customer");
      await dialog(page);
    },
  },
  {
    name: "toast",
    path: () => "/shop?search=notebook",
    show: async (page) => {
      await page.getByRole("button", { name: /^Add Dotted Notebook/ }).click();
      // What is seen is said as well.
      await expect(page.getByRole("status").filter({ hasText: "is in your cart" }).first()).toBeAttached();
    },
  },
];

test.beforeEach(async ({ page }) => {
  await page.addInitScript((cart) => {
    localStorage.setItem("holdfast.shopper", JSON.stringify({ customer: "demo-customer", cart }));
  }, CART);
});

for (const theme of ["light", "dark"] as const) {
  test(`axe finds nothing serious in what lies over the screens, ${theme}`, async ({ page, holdfast }) => {
    test.setTimeout(300_000);
    const scene = await sceneOf(holdfast);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    for (const { name, path, show } of LAYERS) {
      await open(page, path(scene));
      await show(page);
      await page.screenshot({ path: `${FOLDER}/over-${name}-${theme}.png` });
      expect(await serious(page), `${name}, ${theme}`).toEqual([]);
    }
  });
}

test("what is opened on a phone fits it", async ({ page, holdfast }) => {
  test.setTimeout(300_000);
  const scene = await sceneOf(holdfast);
  await page.setViewportSize({ width: 390, height: 844 });
  // A phone has no such keys, and its shopper stands in a bar of icons.
  for (const { name, path, show } of LAYERS.filter((layer) => !["palette", "shortcuts"].includes(layer.name))) {
    await open(page, path(scene));
    await show(page);
    await page.screenshot({ path: `${FOLDER}/over-${name}-phone.png` });
    for (const layer of await page.locator("[role=dialog]:visible").all()) {
      const box = await layer.boundingBox();
      expect((box?.x ?? 0) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= 390, name).toBe(true);
    }
  }
});

test("nothing moves for who does not want it", async ({ page, holdfast }) => {
  await sceneOf(holdfast);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open(page, "/overview");
  const running = await page.evaluate(
    () => document.getAnimations().filter((one) => one.playState === "running").length,
  );
  expect(running).toBe(0);
});
