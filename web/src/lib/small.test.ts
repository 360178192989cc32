import { expect, test } from "vitest";

import type { Message } from "@/api/operator";
import type { Hold, Movement } from "@/api/products";
import { combined, readReport } from "@/api/audit";
import { problemOf } from "@/api/problem";
import { saidOf } from "@/console/overview/AuditPanel";
import { product } from "@/test/fixtures";

import { balancesOf } from "./balances";
import { demoOrder, saleOrder } from "./demoOrders";
import { messageMatches, subjectOf, previewOf } from "./messages";
import { eachOf } from "./pool";
import { ratesBetween } from "./rates";
import { readFilters, writeFilters } from "./url";
import { whyOf } from "./why";

test("filters are in the address, and defaults are not", () => {
  const defaults = { status: "", sortBy: "date" };
  const params = writeFilters(new URLSearchParams("other=1&status=5"), defaults, { status: "", sortBy: "amount" });
  expect(params.toString()).toBe("other=1&sortBy=amount");
  expect(readFilters(params, defaults)).toEqual({ status: "", sortBy: "amount" });
});

test("a pool does everything, never more than its width at once, and stops when told", async () => {
  let [running, most, done] = [0, 0, 0];
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    done += 1;
  };
  await eachOf(Array.from({ length: 20 }), 3, work);
  expect([done, most]).toEqual([20, 3]);
  const stop = new AbortController();
  await eachOf([1, 2, 3, 4], 1, async (n) => (n === 2 ? stop.abort() : work()), stop.signal);
  expect(done).toBe(21);
});

test("rates need two readings of the same counter", () => {
  const before = {
    at: 1_000,
    counts: new Map([
      ["a", 10],
      ["reset", 9],
    ]),
  };
  const after = {
    at: 3_000,
    counts: new Map([
      ["a", 16],
      ["reset", 1],
      ["new", 5],
    ]),
  };
  expect(Object.fromEntries(ratesBetween(before, after))).toEqual({ a: 3, reset: 0, new: 0 });
  expect(ratesBetween(after, before).size).toBe(0);
});

test("demo orders add up, and there is none of nothing", () => {
  let n = 0;
  const random = () => (n = (n + 0.37) % 1);
  const goods = [product("a", { price: 0.1 }), product("b", { price: 29.99 })];
  for (let i = 0; i < 50; i += 1) {
    const made = demoOrder(goods, random);
    const minor = made?.items.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0);
    expect(Math.round((made?.totalAmount ?? 0) * 100)).toBe(minor);
  }
  expect(saleOrder(product("a"), random)?.items).toHaveLength(1);
  expect(demoOrder([], random)).toBeUndefined();
});

const movement = (at: number, stock: number, kind = "reserved", onHandDelta = 0) =>
  ({
    at: new Date(at * 1_000).toISOString(),
    kind,
    onHandDelta,
    balances: { stock, reserved: 0, onHand: stock },
  }) as Movement;

test("balances go forward in time, and reach until now", () => {
  const balances = balancesOf([movement(30, 7), movement(20, 8), movement(20, 9), movement(10, 10)], 40_000);
  expect(balances.times).toEqual([10, 20, 30, 40]);
  expect(balances.stock).toEqual([10, 8, 7, 7]);
  expect(balancesOf([]).times).toEqual([]);
});

test("why something is not available is said in words", () => {
  const hold = { holdId: "h", orderId: "o", quantity: 4 } as Hold;
  const held = whyOf(product("p", { stock: 0, reserved: 4, onHand: 4 }), [hold], [movement(1, 4, "received", 4)]);
  expect(held.headline).toBe("All 4 on hand are held for 1 order.");
  expect(held.sources).toEqual([{ name: "Received", value: "+4" }]);
  expect(whyOf(product("p", { stock: 0, reserved: 0, onHand: 0 }), [], []).headline).toContain("Nothing is on hand");
  expect(whyOf(product("p", { isActive: false }), [], []).headline).toContain("inactive");
});

test("messages are found by every word, wherever it is", () => {
  const message = {
    key: "6b07",
    eventType: "ORDER_CREATED",
    headers: { ce_type: "x" },
    payload: { orderNumber: "ORD-1" },
  };
  const matches = (filter: string) => messageMatches(message as unknown as Message, filter);
  expect([matches(""), matches("ord-1 created"), matches("ce_type"), matches("ord-2")]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(previewOf({ eventId: "e", orderId: "o", reason: "r" })).toBe('reason: "r"');
  expect(previewOf("not JSON")).toBe("not JSON");
  const subjects = [
    { orderId: "650000000000000000000001" },
    { productId: "650000000000000000000002" },
    { orderId: "x" },
    null,
  ];
  expect(subjects.map((payload) => subjectOf(payload)?.to)).toEqual([
    "/orders/650000000000000000000001",
    "/inventory/650000000000000000000002",
    undefined,
    undefined,
  ]);
});

test("the audit's light is green only where both audits are clean", () => {
  const lightOf = (...said: unknown[]) => {
    const reports = said.map((data, index) => readReport(index === 0 ? "products" : "orders", data));
    return saidOf({ status: combined(reports), reports }, false).light;
  };
  const clean = { status: "clean" };
  expect(lightOf(clean, clean)).toBe("clean");
  for (const other of ["running", "mismatch", "stale", "standby", "off", "CLEAN", "new word"]) {
    expect(lightOf(clean, { status: other }), other).not.toBe("clean");
  }
  expect([lightOf(clean, null), lightOf(clean, "clean"), lightOf(clean, {})]).not.toContain("clean");
  expect(lightOf({ status: "mismatch" }, { status: "running" })).toBe("mismatch");
  expect(saidOf(null, false).light + saidOf(undefined, false).light).toBe("");
  expect(saidOf({ status: "clean", reports: [] }, true).light).toBe("");
});

test("a report is read as far as it makes sense", () => {
  const part = {
    name: "books",
    status: "clean",
    finishedAt: "2026-01-01T00:00:00Z",
    checked: { products: 48, odd: "x" },
  };
  const report = readReport("products", {
    status: "mismatch",
    parts: [part],
    findings: [{ message: "m", order: "o" }],
    totalFindings: 3,
  });
  expect(report.parts[0]?.checked).toEqual({ products: 48 });
  expect(report).toMatchObject({ totalFindings: 3, findings: [{ message: "m", order: "o", product: undefined }] });
});

test("an answer without the envelope is a problem all the same", () => {
  expect(problemOf(502, "<html>")).toMatchObject({ status: 502, code: "UNKNOWN", isPassing: true });
  const refused = problemOf(409, { code: "STOCK_HELD", message: "no", details: { holds: [] }, requestId: "r" });
  expect(refused).toMatchObject({ code: "STOCK_HELD", message: "no", requestId: "r", isPassing: false });
});
