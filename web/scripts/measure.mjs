// Measures the long lists in headless Chromium, against a system that is filled (docs/web.md says how):
// `npm run measure -- http://127.0.0.1:3006 [ROWS [orders|products]]`. Prints one JSON object for each list.
import process from "node:process";
import { chromium } from "@playwright/test";

const url = process.argv[2] ?? "http://127.0.0.1:3006";
/** So far a list is scrolled. */
const ROWS = Number(process.argv[3] ?? 100_000);
/** One of the lists by its name; all without. */
const ONLY = process.argv[4];

const LISTS = [
  { name: "orders", path: "/orders", table: "Orders", search: "Search orders" },
  { name: "products", path: "/inventory", table: "Products", search: "Search products" },
];

let browser;

async function measure({ name, path, table, search }) {
  const page = await browser.newPage({ viewport: { width: 1360, height: 860 } });
  await page.addInitScript({ content: `window.firstDrawn = ${firstDrawn.toString()};` });
  const client = await page.context().newCDPSession(page);
  // Processor time: a machine that does other things as well changes it little.
  await client.send("Performance.enable", { timeDomain: "threadTicks" });
  const begun = Date.now();
  await page.goto(url + path);
  const row = page.locator("tbody tr[data-index] a, tbody tr a").first();
  await row.waitFor();
  const firstRow = Date.now() - begun;
  const box = page.getByRole("region", { name: table, exact: true });
  const states = [await state(page, client)];
  const scrolled = [];
  for (const rows of [ROWS / 10, ROWS]) {
    scrolled.push(await box.evaluate(scrollThrough, rows));
    states.push(await state(page, client));
  }
  await box.evaluate((element) => element.scrollTo(0, 0));
  const filtered = await untilChanged(page, () => filter(page, name));
  await page.getByRole("button", { name: "Clear" }).click();
  await row.waitFor();
  // What is in the tenth row is found, and comes first.
  const word = await page.locator("tbody tr a").nth(9).textContent();
  const searched = await untilChanged(page, () => page.getByLabel(search, { exact: true }).fill(word ?? ""));
  await page.close();
  return { name, firstRowMs: firstRow, states, scrolled, filterMs: filtered, searchMs: searched };
}

const filter = (page, name) =>
  name === "orders"
    ? page.getByLabel("Status", { exact: true }).selectOption("shipped")
    : page.getByLabel("Availability").selectOption("false");

/** What the first row is, once the list is drawn; `null` while it is loading. Runs in the page. */
function firstDrawn() {
  if (document.querySelector("tbody tr a, .state") === null || document.querySelector(".skeleton") !== null)
    return null;
  return document.querySelector("tbody tr a")?.textContent ?? "none";
}

/** From the choice until other rows, or none, are drawn. */
async function untilChanged(page, choose) {
  const before = await page.evaluate(() => window.firstDrawn());
  const begun = Date.now();
  await choose();
  await page.waitForFunction((known) => ![known, null].includes(window.firstDrawn()), before, { polling: "raf" });
  return Date.now() - begun;
}

async function state(page, client) {
  await client.send("HeapProfiler.collectGarbage");
  const { metrics } = await client.send("Performance.getMetrics");
  const of = (wanted) => metrics.find((metric) => metric.name === wanted)?.value ?? 0;
  return {
    mainThreadMs: Math.round(of("TaskDuration") * 1e3),
    heapMB: Math.round(of("JSHeapUsedSize") / 1e6),
    nodes: await page.evaluate(() => document.querySelectorAll("*").length),
    tableRows: await page.evaluate(() => document.querySelectorAll("tbody tr").length),
  };
}

/** Scrolls on by a screen each frame, as long as more rows come; runs in the page. */
async function scrollThrough(box, wanted) {
  const tasks = [];
  const observer = new PerformanceObserver((entries) => {
    for (const entry of entries.getEntries()) tasks.push(entry.duration);
  });
  observer.observe({ entryTypes: ["longtask"] });
  const frames = [];
  const rowHeight = box.querySelector("tbody tr[aria-rowindex]").getBoundingClientRect().height;
  const begun = performance.now();
  let [last, quiet] = [begun, begun];
  let height = box.scrollHeight;
  while (performance.now() - quiet < 5_000 && box.scrollHeight / rowHeight < wanted) {
    box.scrollBy(0, 600);
    const now = await new Promise((done) => requestAnimationFrame(done));
    frames.push(now - last);
    last = now;
    if (box.scrollHeight > height + rowHeight * 2) [height, quiet] = [box.scrollHeight, now];
  }
  observer.disconnect();
  frames.sort((a, b) => a - b);
  const at = (share) => Math.round(frames[Math.min(frames.length - 1, Math.floor(frames.length * share))] * 10) / 10;
  return {
    rows: Math.round(box.scrollHeight / rowHeight) - 1,
    seconds: Math.round((performance.now() - begun) / 100) / 10,
    frames: frames.length,
    frameMsP50: at(0.5),
    frameMsP99: at(0.99),
    frameMsMax: at(1),
    over34ms: frames.filter((frame) => frame > 34).length,
    longTasks: tasks.length,
    longestTaskMs: Math.round(Math.max(0, ...tasks)),
  };
}

browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"],
});
for (const list of LISTS.filter(({ name }) => ONLY === undefined || name === ONLY))
  console.log(JSON.stringify(await measure(list)));
await browser.close();
