import type { Schemas } from "@/api/client";

export type Address = Schemas["Address"];
export type Payment = Schemas["PaymentMethod"];

/** A demo's address, so that a first order is one click away. */
export const FIRST_ADDRESS: Address = {
  street: "12 Harbour Road",
  city: "Portland",
  state: "OR",
  zipCode: "97201",
  country: "USA",
};

export const PAYMENTS: readonly [Payment, string][] = [
  ["credit_card", "Credit card"],
  ["debit_card", "Debit card"],
  ["upi", "UPI"],
  ["net_banking", "Net banking"],
  ["wallet", "Wallet"],
  ["cash_on_delivery", "Cash on delivery"],
  ["stripe", "Stripe"],
];
