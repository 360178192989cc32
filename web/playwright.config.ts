import { defineConfig } from "@playwright/test";

/** Against the real binary (`HOLDFAST_BIN`), in the system's Chromium (`CHROMIUM`): no browser is downloaded. */
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  workers: 1,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  // Bounds a hang; nothing is measured by it.
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1360, height: 860 },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
    actionTimeout: 20_000,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Builds run as root in containers, where Chromium's own sandbox cannot.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    },
  },
});
