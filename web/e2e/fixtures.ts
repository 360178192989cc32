/** Every test has a page of one running system, and fails if that page logs an error or calls anybody else. */
import { test as base, expect, type Page } from "@playwright/test";

import { Holdfast } from "./holdfast";

interface Fixtures {
  watched: undefined;
}

interface WorkerFixtures {
  holdfast: Holdfast;
}

/** What a browser says by itself when a request fails; the app shows these where they matter. */
const EXPECTED = /Failed to load resource|WebSocket connection to|ERR_CONNECTION|net::ERR/;

export const test = base.extend<Fixtures, WorkerFixtures>({
  holdfast: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads what a fixture needs from this pattern
    async ({}, use) => {
      const holdfast = await new Holdfast().start();
      await use(holdfast);
      await holdfast.stop();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ holdfast }, use) => use(holdfast.url),
  watched: [
    async ({ page }, use) => {
      const found = watch(page);
      await use(undefined);
      expect(found(), "the page must be quiet, and talk to its own server only").toEqual([]);
    },
    { auto: true },
  ],
});

function watch(page: Page): () => string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text())) found.push(message.text());
  });
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1") found.push(`a request to ${hostname}`);
  });
  return () => found;
}

export { expect };

/** The page is there, and changes come in by themselves. */
export async function live(page: Page): Promise<void> {
  await expect(page.locator("[data-live='live']:visible").first()).toBeVisible();
}

/** The number in the tile of that name. */
export const tile = (page: Page, name: string) =>
  page.locator(".stat", { has: page.getByText(name, { exact: true }) }).locator(".value");
