import { expect, test } from "vitest";

import { NO_FILTERS, type Order } from "@/api/orders";
import { order, product } from "@/test/fixtures";

import { applyToList, matches, MOST_NEW_ROWS, orderChanges, withStock, type OrderData } from "./apply";
import type { LiveMessage, OrderEvent, OrderMessage } from "./messages";
import { PulseStore, quantile, WINDOW } from "./pulse";

const said = (event: OrderEvent, about: Order, deleted = false): OrderMessage => ({
  event,
  seq: "s",
  message: "m",
  timestamp: about.updatedAt,
  order: about,
  ...(deleted ? { deleted } : {}),
});

const list = (...rows: Order[]): OrderData => ({
  pageParams: [""],
  pages: [
    {
      success: true,
      message: "",
      data: { orders: rows, count: rows.length },
      meta: { nextCursor: null, total: rows.length },
    },
  ],
});

const ids = (data: OrderData) => data.pages.flatMap((page) => page.data.orders.map((row) => row.orderNumber));

test("a new order comes on top, a changed one changes where it is, a deleted one goes", () => {
  const before = list(order(3), order(2), order(1));
  const batch = [
    said("order:created", order(5)),
    said("order:created", order(4)),
    said("order:updated", order(2, { stockStatus: "reserved", version: 2 })),
    said("order:updated", order(1, { version: 2 }), true),
  ];
  const { data: after } = applyToList(before, NO_FILTERS, orderChanges(batch));
  expect(ids(after)).toEqual(["ORD-5", "ORD-4", "ORD-3", "ORD-2"]);
  expect(after.pages[0]?.data.orders[3]?.stockStatus).toBe("reserved");
  expect(after.pages[0]?.meta.total).toBe(4);
});

test("what is older than what is shown changes nothing", () => {
  const before = list(order(1, { version: 3 }));
  const changes = orderChanges([said("order:updated", order(1, { version: 2, stockStatus: "reserved" }))]);
  expect(applyToList(before, NO_FILTERS, changes).data.pages[0]?.data.orders[0]?.version).toBe(3);
  const newest = orderChanges([said("order:updated", order(1, { version: 3 })), said("order:created", order(1))]);
  expect(newest.changed.get(order(1)._id)?.version).toBe(3);
});

test("rows that no longer match go, and new ones that do not match never come", () => {
  const pending = { ...NO_FILTERS, status: "pending" };
  const cancelled = order(1, { status: 5, version: 2 });
  const changes = orderChanges([said("order:cancelled", cancelled), said("order:created", order(2, { status: 5 }))]);
  expect(ids(applyToList(list(order(1)), pending, changes).data)).toEqual([]);
  expect(matches(order(1), { ...NO_FILTERS, status: "1", userId: "ada" })).toBe(true);
  expect(matches(order(1), { ...NO_FILTERS, userId: "grace" })).toBe(false);
});

test("what begins to match comes to its place, unless that is on a page further on", () => {
  const processing = { ...NO_FILTERS, status: "processing" };
  const moved = (id: number) => said("order:status_changed", order(id, { status: 2, version: 3 }));
  const shown = list(order(7, { status: 2 }), order(5, { status: 2 }));
  expect(ids(applyToList(shown, processing, orderChanges([moved(6)])).data)).toEqual(["ORD-7", "ORD-6", "ORD-5"]);
  expect(ids(applyToList(shown, processing, orderChanges([moved(3)])).data)).toEqual(["ORD-7", "ORD-5", "ORD-3"]);
  const [page] = shown.pages;
  if (page === undefined) throw new Error("a page");
  const cut = { ...shown, pages: [{ ...page, meta: { ...page.meta, nextCursor: "more" } }] };
  expect(applyToList(cut, processing, orderChanges([moved(3)])).data).toBe(cut);
  const oldest = { ...processing, sortOrder: "asc" as const };
  const rising = list(order(5, { status: 2 }), order(7, { status: 2 }));
  expect(ids(applyToList(rising, oldest, orderChanges([moved(6)])).data)).toEqual(["ORD-5", "ORD-6", "ORD-7"]);
});

test("what only the server can place is counted", () => {
  const one = orderChanges([said("order:created", order(2))]);
  expect(applyToList(list(order(1)), { ...NO_FILTERS, search: "test" }, one).unplaced).toBe(1);
  expect(applyToList(list(order(1)), { ...NO_FILTERS, sortBy: "amount" }, one).unplaced).toBe(1);
  expect(applyToList(list(order(1)), NO_FILTERS, one).unplaced).toBe(0);
  const many = Array.from({ length: MOST_NEW_ROWS + 1 }, (_, n) => said("order:created", order(n + 10)));
  expect(applyToList(list(order(1)), NO_FILTERS, orderChanges(many)).unplaced).toBe(MOST_NEW_ROWS + 1);
});

test("nothing of this list: the same object, so nothing is drawn", () => {
  const before = list(order(5));
  const cancelled = orderChanges([said("order:updated", order(9, { version: 2, status: 5 }))]);
  expect(applyToList(before, { ...NO_FILTERS, status: "pending" }, cancelled).data).toBe(before);
});

test("stock takes only newer balances", () => {
  const shown = product("p", { version: 5 });
  const news = { _id: "p", name: "", stock: 1, reserved: 9, onHand: 10, inStock: true, version: 6 };
  expect(withStock(shown, news)).toMatchObject({ stock: 1, reserved: 9, version: 6, price: 29.99 });
  expect(withStock(shown, { ...news, version: 5 })).toBe(shown);
  expect(withStock(shown, undefined)).toBe(shown);
});

test("the pulse counts by the second and times the first decision", () => {
  const now = Date.UTC(2026, 0, 1, 0, 2);
  const at = (before: number) => new Date(now - before).toISOString();
  const pulse = new PulseStore(() => now);
  const decided = order(1, { version: 2, stockStatus: "reserved", createdAt: at(5_007), updatedAt: at(5_000) });
  const sold: LiveMessage = {
    event: "stock:changed",
    seq: "s",
    message: "m",
    timestamp: at(0),
    product: { _id: "p", name: "n", stock: 0, reserved: 1, onHand: 1, inStock: false, version: 2 },
  };
  pulse.add([said("order:created", order(1, { updatedAt: at(5_007) })), said("order:updated", decided), sold]);
  pulse.add([said("order:updated", { ...decided, version: 3 })]);
  // A rejection is one decision, and two messages.
  const rejection = {
    ...decided,
    ...order(2),
    version: 2,
    status: 5,
    stockStatus: "rejected" as const,
    updatedAt: at(1_000),
    createdAt: at(1_009),
  };
  pulse.add([said("order:status_changed", rejection), said("order:cancelled", rejection)]);
  const { placed, rejected, times, events } = pulse.read();
  expect(rejected.reduce((sum, n) => sum + n, 0)).toBe(1);
  expect(placed).toHaveLength(WINDOW);
  expect(placed.reduce((sum, n) => sum + n, 0)).toBe(1);
  expect(times).toEqual([7, 9]);
  expect(events.map((event) => event.bad)).toEqual([true, false, true, false, false]);
  expect([quantile([1, 2, 3, 4], 0.5), quantile([5], 0.99), quantile([], 0.5)]).toEqual([2, 5, undefined]);
});
