import { expect, test } from "vitest";

import type { TimelineStep } from "@/api/orders";
import { meaningOf } from "@/app/keymap";

import { addressOf, messagePath, newerThan, readAddress, readPlace } from "./messages";
import { storyOf } from "./story";
import { summaryOf } from "./timeline";

function step(kind: string, changes: Partial<TimelineStep> = {}): TimelineStep {
  return {
    kind,
    at: "2026-01-01T00:00:00.000Z",
    cause: { type: "system" },
    version: 1,
    status: 1,
    statusLabel: "Pending",
    stockStatus: "pending",
    events: [],
    live: [],
    ...changes,
  };
}

test("a customer is told what changed for them, and nothing else", () => {
  const steps = [
    step("order_placed"),
    step("request_sent_again"),
    step("stock_changed", { stockStatus: "reserved" }),
    step("status_changed", { status: 3, stockStatus: "reserved" }),
    step("stock_changed", { status: 3, stockStatus: "fulfilled" }),
  ];
  expect(storyOf(steps).map((sentence) => sentence.text)).toEqual([
    "You placed the order.",
    "Everything in it was set aside for you.",
    "It is on its way.",
  ]);
  const [rejected] = storyOf([step("status_changed", { status: 5, stockStatus: "rejected" })]);
  expect(rejected?.bad).toBe(true);
});

test("a story comes to how long its answer took, and what it left", () => {
  const answer = { type: "event" as const, eventId: "e", topic: "inventory.reserved", partition: 0, offset: 1 };
  const decided = step("stock_changed", { stockStatus: "reserved", at: "2026-01-01T00:00:00.012Z", cause: answer });
  expect(summaryOf([step("order_placed"), decided])).toBe("decided in 12 ms, 0 events, 0 stock movements");
  expect(summaryOf([step("order_placed")])).toContain("not decided yet");
});

test("a message has an address, and an order's address points at its moment", () => {
  const place = { topic: "order.created", partition: 2, offset: 17 };
  expect(messagePath(place)).toBe("/topics/order.created?message=2:17");
  expect(readPlace("order.created", "2:17")).toEqual(place);
  expect([readPlace("t", ""), readPlace("t", "2"), readPlace("t", "a:b")]).toEqual([undefined, undefined, undefined]);
  expect(readAddress(addressOf(place))).toEqual(place);
  expect(readAddress("")).toBeUndefined();
});

test("what came after the loaded messages is counted by partition", () => {
  const ends = (...messages: number[]) => ({
    name: "t",
    publishedBy: "orders",
    deadLetterTopic: null,
    incarnation: "1",
    messages: messages.reduce((sum, n) => sum + n, 0),
    partitions: messages.map((n, partition) => ({ partition, startOffset: 0, endOffset: n, messages: n })),
  });
  const at = (partition: number, offset: number) =>
    ({ partition, offset }) as unknown as Parameters<typeof newerThan>[0][number];
  expect(newerThan([at(0, 4), at(1, 1), at(0, 3)], ends(7, 2))).toBe(2);
  expect(newerThan([at(0, 4)], ends(7, 9), 0)).toBe(2);
  expect(newerThan([], ends(3, 4))).toBe(7);
  expect(newerThan([], undefined)).toBe(0);
});

test("single keys", () => {
  expect(meaningOf("o", "g")).toEqual({ do: "go", to: "/orders" });
  expect(meaningOf("o", "")).toEqual({ do: "nothing" });
  expect(meaningOf("/", "g")).toEqual({ do: "search" });
  expect(meaningOf("j", "")).toEqual({ do: "rows" });
});
