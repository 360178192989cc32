import { useQueries } from "@tanstack/react-query";
import { useNavigate } from "react-router";

import type { Order } from "@/api/orders";
import { productOne, type Product } from "@/api/products";
import { count } from "@/lib/format";
import { Button } from "@/ui/controls";

import { changeShopper, withLine } from "./shopper";

/** How much of each product of a rejected order can be had now, at most what it asked for. */
export function whatIsLeft(
  order: Pick<Order, "items">,
  products: readonly Product[],
): { product: Product; quantity: number }[] {
  const wanted = new Map<string, number>();
  for (const line of order.items) wanted.set(line.productId, (wanted.get(line.productId) ?? 0) + line.quantity);
  return products
    .map((product) => ({
      product,
      quantity: product.isActive ? Math.min(product.stock, wanted.get(product._id) ?? 0) : 0,
    }))
    .filter(({ quantity }) => quantity > 0);
}

/** Of an order that could not be filled: what was short, how many are left, and the offer to take them. */
export function TakeWhatIsLeft({ order }: { order: Order }) {
  const navigate = useNavigate();
  const isRejected = order.stockStatus === "rejected";
  const ids = [...new Set(order.items.map((line) => line.productId))];
  const asked = useQueries({ queries: isRejected ? ids.map((id) => productOne(id)) : [] });
  if (!isRejected) return null;
  const left = whatIsLeft(
    order,
    asked.flatMap((answer) => answer.data ?? []),
  );
  const take = () => {
    changeShopper((now) => ({
      ...now,
      cart: left.reduce((cart, { product, quantity }) => withLine(cart, product, quantity), [...now.cart]),
    }));
    void navigate("/shop/cart");
  };
  return (
    <div className="callout bad">
      <div className="stack grow">
        <span className="strong">This order could not be filled, and nothing of it was taken.</span>
        <ul>
          {(order.shortages ?? []).map((short) => (
            <li key={short.productId}>
              {short.productName}: you asked for {count(short.requested)},{" "}
              {short.available === 0 ? "and it is sold out" : `${count(short.available)} were left`}
            </li>
          ))}
        </ul>
      </div>
      {left.length > 0 && (
        <Button kind="primary" onClick={take}>
          Take what is left
        </Button>
      )}
    </div>
  );
}
