import { expect, test } from "vitest";

import type { TimelineStep } from "@/api/orders";

import { momentsOf } from "./timeline";

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, 0, ms)).toISOString();

const placed: TimelineStep = {
  kind: "order_placed",
  at: at(0),
  cause: { type: "request", requestId: "r-1" },
  version: 1,
  status: 1,
  statusLabel: "Pending",
  stockStatus: "pending",
  events: [{ eventType: "STOCK_RESERVE_REQUEST", topic: "inventory.reserve", partition: 2, offset: 7 }],
  live: [{ event: "order:created", seq: "order.live/0/1", at: at(2) }],
};

const rejected: TimelineStep = {
  kind: "status_changed",
  at: at(12),
  cause: { type: "event", eventId: "e", topic: "inventory.rejected", partition: 1, offset: 3 },
  version: 2,
  oldStatus: 1,
  status: 5,
  statusLabel: "Cancelled",
  stockStatus: "rejected",
  events: [{ eventType: "ORDER_CANCELLED", topic: "order.cancelled", partition: 0, offset: null }],
  live: [],
};

test("a step is told from its cause to its push, with the time between", () => {
  const moments = momentsOf([placed, rejected]);
  expect(moments.map((moment) => moment.kind)).toEqual([
    "request",
    "committed",
    "event",
    "live",
    "event",
    "committed",
    "event",
  ]);
  expect(moments.map((moment) => moment.gap)).toEqual([undefined, 0, 0, 2, 10, 0, 0]);
  expect(moments[2]?.place).toEqual({ topic: "inventory.reserve", partition: 2, offset: 7 });
  expect(moments[4]?.place).toEqual({ topic: "inventory.rejected", partition: 1, offset: 3 });
});

test("a failure is marked, and an event that is not published yet has no place", () => {
  const moments = momentsOf([placed, rejected]);
  expect(moments.filter((moment) => moment.failed).map((moment) => moment.what)).toEqual(["Status changed"]);
  expect(moments.at(-1)).toMatchObject({ detail: "order.cancelled, partition 0, not published yet" });
  expect(moments.at(-1)?.place).toBeUndefined();
});
