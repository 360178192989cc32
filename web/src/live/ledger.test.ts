import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Movement, MovementPage } from "@/api/products";
import { order } from "@/test/fixtures";

import { withHead, type Ledger } from "./ledger";
import { PulseStore } from "./pulse";
import { Refresher } from "./refresher";

const page = (...ids: number[]): MovementPage => ({
  success: true,
  message: "",
  data: { movements: ids.map((id) => ({ movementId: `mov-${id}` }) as Movement), count: ids.length },
  meta: { nextCursor: null },
});
const ledger = (...pages: MovementPage[]): Ledger => ({ pages, pageParams: pages.map(() => "") });
const ids = (known: Ledger | null) => known?.pages.map((one) => one.data.movements.map((move) => move.movementId));

test("what is new comes before what is known; older pages stay as they are", () => {
  const known = ledger(page(4, 3), page(2, 1));
  const next = withHead(known, page(6, 5, 4, 3));
  expect(ids(next)).toEqual([
    ["mov-6", "mov-5", "mov-4", "mov-3"],
    ["mov-2", "mov-1"],
  ]);
  expect(next?.pages[1]).toBe(known.pages[1]);
  expect(withHead(known, page(4, 3))).toBe(known);
});

test("a ledger that more than a page came to begins anew, and so does an empty one", () => {
  expect(withHead(ledger(page(1)), page(9, 8))).toBeNull();
  expect(withHead(ledger(page()), page(1))).toBeNull();
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("an answer is asked for anew at most once in a while, and once more for what came meanwhile", async () => {
  const client = new QueryClient();
  const key = ["timeline", "1"];
  client.setQueryData(key, "known");
  const refresh = vi.fn(() => Promise.resolve());
  const refresher = new Refresher(client);
  for (let n = 0; n < 20; n += 1) refresher.ask(key, refresh);
  await vi.advanceTimersByTimeAsync(10);
  expect(refresh).toHaveBeenCalledTimes(1);
  refresher.ask(key, refresh);
  await vi.advanceTimersByTimeAsync(500);
  expect(refresh).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(refresh).toHaveBeenCalledTimes(2);
  refresher.ask(["not", "known"], refresh);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(refresh).toHaveBeenCalledTimes(2);
});

test("the pulse begins with the newest orders, and counts none of them twice", () => {
  const now = Date.parse("2026-01-01T00:00:10Z");
  const pulse = new PulseStore(() => now);
  const decided = order(1, { version: 2, stockStatus: "reserved", updatedAt: "2026-01-01T00:00:00.040Z" });
  const live = order(2, { createdAt: "2026-01-01T00:00:05.000Z" });
  pulse.add([{ event: "order:created", seq: "1", message: "", timestamp: "2026-01-01T00:00:05.000Z", order: live }]);
  pulse.seed([live, decided]);
  pulse.seed([decided]);
  const { placed, times, events } = pulse.read();
  expect(placed.reduce((sum, n) => sum + n, 0)).toBe(2);
  expect(times).toEqual([40]);
  expect(events.map((event) => event.key)).toEqual([
    "1order:created",
    `decided ${decided._id}`,
    `placed ${decided._id}`,
  ]);
});
