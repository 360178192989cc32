/** Where it goes and how it is paid; then the order is placed. */
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Navigate, useNavigate } from "react-router";

import { freshKey } from "@/api/client";
import { placeOrder, type NewOrder } from "@/api/orders";
import { ApiProblem, messageOf } from "@/api/problem";
import { count, money, sumOf } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Button } from "@/ui/controls";
import { Panel } from "@/ui/pieces";

import { AddressFields } from "./AddressFields";
import { FIRST_ADDRESS, PAYMENTS, type Address, type Payment } from "./checkoutForm";
import { emptyCart, useShopper } from "./shopper";
import { Short } from "./CartView";
import { priceOf, useCart } from "./useCart";

export function Checkout() {
  useTitle("Checkout");
  const navigate = useNavigate();
  const { customer } = useShopper();
  const { lines, currency, isShort } = useCart();
  const [address, setAddress] = useState<Address>(FIRST_ADDRESS);
  const [payment, setPayment] = useState<Payment>("credit_card");
  const attempt = useRef({ body: "", key: "" });
  const items = lines.map((line) => ({
    productId: line.line.productId,
    productName: line.product?.name ?? line.line.name,
    quantity: line.line.quantity,
    price: priceOf(line),
  }));
  const sum = sumOf(items, currency);
  const place = useMutation({
    mutationFn: (order: NewOrder) => {
      // The same cart has the same key: whoever asks twice, after a broken connection, orders once.
      const body = JSON.stringify(order);
      if (attempt.current.body !== body) attempt.current = { body, key: freshKey() };
      return placeOrder(order, attempt.current.key);
    },
    onSuccess: (order) => {
      emptyCart();
      void navigate(`/shop/orders/${order._id}`);
    },
  });
  // Once it is being placed, an empty cart is what it leaves behind.
  if (lines.length === 0 && place.isIdle) return <Navigate to="/shop/cart" replace />;
  const fields = place.error instanceof ApiProblem ? place.error.fields : {};
  return (
    <div className="shop-page">
      <h1>Checkout</h1>
      <form
        className="grid two"
        onSubmit={(event) => {
          event.preventDefault();
          place.mutate({ userId: customer, items, totalAmount: sum, shippingAddress: address, paymentMethod: payment });
        }}
      >
        <div className="grid">
          <Panel title="Ship to" padded>
            <AddressFields
              address={address}
              problems={fields}
              onChange={(changes) => setAddress({ ...address, ...changes })}
            />
          </Panel>
          <Panel title="Pay with" padded>
            <fieldset className="choices">
              <legend className="hidden-text">Payment method</legend>
              {PAYMENTS.map(([value, label]) => (
                <label className="choice" key={value}>
                  <input type="radio" name="payment" checked={payment === value} onChange={() => setPayment(value)} />
                  {label}
                </label>
              ))}
            </fieldset>
            <p className="muted">Nothing is charged: payments are not taken yet.</p>
          </Panel>
        </div>
        <Panel title="Your order" padded>
          <div className="stack">
            <div className="sums">
              {items.map((item) => (
                <div className="fact-line" key={item.productId}>
                  <span>
                    {count(item.quantity)} × {item.productName}
                  </span>
                  <span>{money(sumOf([item], currency), currency)}</span>
                </div>
              ))}
              <span className="total">Total</span>
              <span className="total">{money(sum, currency)}</span>
            </div>
            {lines
              .filter((line) => line.isShort)
              .map((line) => (
                <Short key={line.line.productId} entry={line} />
              ))}
            {place.error !== null && (
              <div className="callout bad" role="alert">
                {messageOf(place.error)}
              </div>
            )}
            <Button kind="primary" size="large" className="block" type="submit" disabled={place.isPending || isShort}>
              {place.isPending ? "Placing the order…" : `Order for ${money(sum, currency)}`}
            </Button>
            <p className="muted">Stock is set aside as a whole, or not at all.</p>
          </div>
        </Panel>
      </form>
    </div>
  );
}
