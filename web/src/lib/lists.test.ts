import { expect, test } from "vitest";

import { isNarrowing, narrow, NO_NARROWING, spanOf } from "@/console/orders/narrow";
import { order } from "@/test/fixtures";

import { withReadings } from "./history";
import { parsePreferences } from "./preferences";
import { offsetAt } from "./seek";
import { canonical, parseViews } from "./views";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const placed = (id: number, minutesAgo: number, stockStatus: "pending" | "reserved" = "reserved") =>
  order(id, { createdAt: new Date(NOW - minutesAgo * 60_000).toISOString(), stockStatus });

test("orders are narrowed by when they were placed, and no page is asked for that can have none", () => {
  const loaded = [placed(3, 5), placed(2, 50), placed(1, 70)];
  const hour = { ...NO_NARROWING, placed: "hour" as const };
  expect(narrow(loaded, hour, NOW)).toEqual({ orders: loaded.slice(0, 2), isOver: true });
  expect(narrow(loaded.slice(0, 2), hour, NOW).isOver).toBe(false);
  expect(narrow(loaded, { ...hour, sortBy: "amount" }, NOW).isOver).toBe(false);
  const old = { ...NO_NARROWING, placed: "old" as const, sortOrder: "asc" as const };
  const rising = [placed(1, 70), placed(2, 2), placed(3, 0)];
  expect(narrow(rising, old, NOW)).toEqual({ orders: rising.slice(0, 2), isOver: true });
});

test("orders are narrowed by what became of their stock", () => {
  const loaded = [placed(2, 1, "pending"), placed(1, 1)];
  expect(narrow(loaded, { ...NO_NARROWING, stock: "pending" }, NOW)).toEqual({ orders: [loaded[0]], isOver: false });
  expect(narrow(loaded, NO_NARROWING, NOW).orders).toBe(loaded);
  expect([isNarrowing(NO_NARROWING), isNarrowing({ ...NO_NARROWING, stock: "x" })]).toEqual([false, true]);
  expect(spanOf("today", NOW).from).toBe(new Date(NOW).setHours(0, 0, 0, 0));
});

test("a time's offset is found by halving, also where offsets have gaps", async () => {
  const offsets = Array.from({ length: 1_000 }, (_, n) => 100 + n * 3);
  let asked = 0;
  const read = (from: number) => {
    asked += 1;
    const offset = offsets.find((known) => known >= from);
    return Promise.resolve(offset === undefined ? null : { offset, timestamp: new Date(offset * 1_000).toISOString() });
  };
  const bounds = { start: 100, end: 3_098 };
  expect(await offsetAt(read, bounds, 700_500)).toBe(700);
  expect(asked).toBeLessThan(14);
  expect(await offsetAt(read, bounds, 1)).toBeNull();
  expect(await offsetAt(read, bounds, 9_999_000)).toBe(3_097);
  expect(await offsetAt(read, { start: 5, end: 5 }, 1)).toBeNull();
});

test("a view is its filters, in whichever order they were chosen", () => {
  expect(canonical("?stock=pending&status=pending")).toBe(canonical("status=pending&stock=pending"));
  expect(parseViews('{"orders":[{"name":"Mine","query":"userId=ada"},{"name":1}],"other":3}')).toEqual({
    orders: [{ name: "Mine", query: "userId=ada" }],
    other: [],
  });
  expect(parseViews("no JSON")).toEqual({});
});

test("preferences make sense of anything that was kept", () => {
  const first = { density: "normal", times: "clock", hidden: {}, shortcuts: true };
  expect([parsePreferences(null), parsePreferences("3"), parsePreferences("[")]).toEqual([first, first, first]);
  expect(parsePreferences('{"density":"compact","hidden":{"orders":["total"],"x":1},"shortcuts":false}')).toEqual({
    ...first,
    density: "compact",
    hidden: { orders: ["total"] },
    shortcuts: false,
  });
});

test("a history keeps the newest readings, and only of what is there", () => {
  let lines = withReadings(new Map(), [["gone", 1]]);
  for (let n = 0; n < 70; n += 1) lines = withReadings(lines, [["lag", n]]);
  expect([...lines.keys()]).toEqual(["lag"]);
  expect(lines.get("lag")).toHaveLength(60);
  expect(lines.get("lag")?.at(-1)).toBe(69);
});
