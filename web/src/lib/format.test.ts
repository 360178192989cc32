import { expect, test } from "vitest";

import { ago, decimals, duration, exactTime, money, plural, rate, signed, sumOf, time, words } from "./format";

test("sums are exact where floats are not", () => {
  expect(sumOf([{ price: 29.99, quantity: 3 }], "USD")).toBe(89.97);
  const lines = [
    { price: 0.1, quantity: 3 },
    { price: 1.005, quantity: 1 },
  ];
  expect(sumOf(lines.slice(0, 1), "USD")).toBe(0.3);
  expect(sumOf([{ price: 2_999, quantity: 2 }], "JPY")).toBe(5_998);
  expect(decimals("KWD")).toBe(3);
});

test("numbers have their sign and their unit", () => {
  expect([signed(3), signed(-1_200), signed(0)]).toEqual(["+3", "−1,200", "0"]);
  expect(money(1234.5, "USD")).toBe("$1,234.50");
  expect([plural(1, "order"), plural(0, "order"), plural(2, "box", "boxes")]).toEqual([
    "1 order",
    "0 orders",
    "2 boxes",
  ]);
  expect([rate(0.33), rate(2_345.6)]).toEqual(["0.3", "2,346"]);
});

test("times are as long as they have to be", () => {
  expect([3, 1_234, 59_000, 300_000, 7_200_000, 200_000_000].map(duration)).toEqual([
    "3 ms",
    "1.2 s",
    "59 s",
    "5 min",
    "2 h",
    "2 d",
  ]);
  const at = new Date(2026, 10, 3, 14, 3, 22, 7);
  expect(time(at.toISOString(), new Date(2026, 10, 3, 20))).toBe("14:03:22");
  expect(time(at.toISOString(), new Date(2026, 10, 4))).toBe("03 Nov, 14:03:22");
  expect(time(at.toISOString(), new Date(2027, 1, 4))).toBe("03 Nov 2026, 14:03:22");
  expect(exactTime(at.toISOString())).toBe("14:03:22.007");
  expect(ago(at.toISOString(), at.getTime() + 12_000)).toBe("12 s ago");
  expect([time("never"), exactTime("never"), ago("never")]).toEqual(["never", "never", "never"]);
});

test("codes become words", () => {
  expect([words("OUT_OF_STOCK"), words("credit_card")]).toEqual(["Out of stock", "Credit card"]);
});
