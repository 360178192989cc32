import { expect, test } from "vitest";

import { nextOf } from "@/console/orders/BulkBar";
import { order, product } from "@/test/fixtures";

import { hueOf } from "./Art";
import { parseShopper, quantityOf, withLine } from "./shopper";
import { whatIsLeft } from "./TakeWhatIsLeft";
import { stopsOf } from "./Track";
import { lineOf } from "./useCart";

test("a cart has each product once, in the order they came", () => {
  const [a, b] = [product("a"), product("b")];
  let cart = withLine(withLine([], a, 1), b, 2);
  cart = withLine(cart, a, 5);
  expect(cart.map((line) => [line.productId, line.quantity])).toEqual([
    ["a", 5],
    ["b", 2],
  ]);
  expect(withLine(cart, a, 0).map((line) => line.productId)).toEqual(["b"]);
  expect([quantityOf(cart, "b"), quantityOf(cart, "c")]).toEqual([2, 0]);
});

test("what is kept in the browser is believed only as far as it makes sense", () => {
  const fresh = { customer: "demo-customer", cart: [] };
  for (const bad of [null, "", "{", "[]", "null", '{"customer":1,"cart":[]}', '{"customer":"x"}']) {
    expect(parseShopper(bad)).toEqual(fresh);
  }
  const kept = {
    customer: "ada",
    cart: [
      { productId: "a", quantity: 2 },
      { productId: "b", quantity: -1 },
    ],
  };
  expect(parseShopper(JSON.stringify(kept)).cart.map((line) => line.productId)).toEqual(["a"]);
});

test("a line is short when less is there than it asks for, and unknown is not short", () => {
  const [line] = withLine([], product("a"), 3);
  if (line === undefined) throw new Error("no line");
  expect(lineOf(line, undefined)).toMatchObject({ isShort: false, available: undefined });
  expect(lineOf(line, product("a", { stock: 2 }))).toMatchObject({ isShort: true, available: 2 });
  expect(lineOf(line, product("a", { isActive: false }))).toMatchObject({ isShort: true, available: 0 });
  expect(lineOf(line, null)).toMatchObject({ isShort: true, available: 0 });
  expect(lineOf(line, product("a", { stock: 3 }))).toMatchObject({ isShort: false });
});

test("of a rejected order what is left is offered, and not more than was asked for", () => {
  const items = [
    { lineId: 1, productId: "a", productName: "A", quantity: 5, price: 1 },
    { lineId: 2, productId: "b", productName: "B", quantity: 2, price: 1 },
    { lineId: 3, productId: "c", productName: "C", quantity: 1, price: 1 },
  ];
  const shelves = [product("a", { stock: 3 }), product("b", { stock: 9 }), product("c", { stock: 0 })];
  const left = whatIsLeft(order(1, { items }), shelves);
  expect(left.map(({ product: { _id }, quantity }) => [_id, quantity])).toEqual([
    ["a", 3],
    ["b", 2],
  ]);
});

test("an order's way ends where it ended", () => {
  const states = (changes: object) => stopsOf(order(1, changes)).map((stop) => `${stop.label} ${stop.state}`.trim());
  expect(states({})).toEqual(["Ordered done", "Set aside", "Processing", "Shipped", "Delivered"]);
  expect(states({ status: 5, stockStatus: "rejected" })).toEqual(["Ordered done", "Not available failed"]);
  expect(states({ status: 5, stockStatus: "returned", shippedAt: "x" })).toContain("Shipped done");
});

test("only moves that the server would take are offered", () => {
  expect(nextOf(order(1))).toEqual([5]);
  expect(nextOf(order(1, { stockStatus: "reserved" }))).toEqual([2, 5]);
  expect(nextOf(order(1, { status: 3, stockStatus: "fulfilled" }))).toEqual([4, 5]);
  expect(nextOf(order(1, { status: 5, stockStatus: "released" }))).toEqual([]);
});

test("a category always has the same tint", () => {
  expect(hueOf("books")).toBe(hueOf("books"));
  expect(hueOf("")).toBe(0);
});
