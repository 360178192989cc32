import { Link } from "react-router";

import { count, money, sumOf } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Button, Stepper } from "@/ui/controls";
import { Empty, Panel } from "@/ui/pieces";

import { Art } from "./Art";
import { removeLine, setQuantity } from "./shopper";
import { priceOf, useCart, type Line } from "./useCart";

export function CartView() {
  useTitle("Cart");
  const { lines, currency, isShort } = useCart();
  if (lines.length === 0) {
    return (
      <div className="shop-page">
        <h1>Cart</h1>
        <Empty
          icon="cart"
          title="Your cart is empty"
          action={
            <Link className="button primary" to="/shop">
              Look around
            </Link>
          }
        />
      </div>
    );
  }
  const sum = sumOf(
    lines.map((line) => ({ price: priceOf(line), quantity: line.line.quantity })),
    currency,
  );
  return (
    <div className="shop-page">
      <h1>Cart</h1>
      <div className="grid two">
        <Panel>
          <ul className="lines">
            {lines.map((line) => (
              <CartRow key={line.line.productId} entry={line} />
            ))}
          </ul>
        </Panel>
        <Panel title="Summary" padded>
          <div className="stack">
            <div className="sums">
              <span>Products</span>
              <span>{money(sum, currency)}</span>
              <span>Shipping</span>
              <span>free</span>
              <span className="total">Total</span>
              <span className="total">{money(sum, currency)}</span>
            </div>
            {isShort ? (
              <>
                <Button kind="primary" size="large" className="block" disabled>
                  Check out
                </Button>
                <p className="bad">Something is short: take what is left, or take it out.</p>
              </>
            ) : (
              <Link className="button primary large block" to="/shop/checkout">
                Check out
              </Link>
            )}
          </div>
        </Panel>
      </div>
    </div>
  );
}

function CartRow({ entry }: { entry: Line }) {
  const { line, product, available, isShort } = entry;
  return (
    <li>
      <Art category={line.category} />
      <div>
        <Link className="strong" to={`/shop/products/${line.productId}`}>
          {line.name}
        </Link>
        <div className="muted">{money(priceOf(entry), line.currency)} each</div>
      </div>
      <div className="amount row">
        {product != null && !isShort ? (
          <Stepper
            label={`Quantity of ${line.name}`}
            value={line.quantity}
            max={Math.max(1, available ?? line.quantity)}
            onChange={(n) => setQuantity(product, n)}
          />
        ) : (
          <span>× {count(line.quantity)}</span>
        )}
        <Button
          kind="ghost"
          size="small"
          icon="close"
          label={`Take ${line.name} out`}
          onClick={() => removeLine(line.productId)}
        />
      </div>
      <span className="strong num">
        {money(sumOf([{ price: priceOf(entry), quantity: line.quantity }], line.currency), line.currency)}
      </span>
      {isShort && <Short entry={entry} />}
    </li>
  );
}

/** How many are left, and an offer to take them. */
export function Short({ entry: { line, product, available = 0 } }: { entry: Line }) {
  return (
    <div className="short callout warn" role="alert">
      <span className="grow">
        {available === 0
          ? `${line.name} is sold out.`
          : `Only ${count(available)} of the ${count(line.quantity)} are left.`}
      </span>
      {available > 0 && product != null ? (
        <Button size="small" onClick={() => setQuantity(product, available)}>
          Take {count(available)}
        </Button>
      ) : (
        <Button size="small" onClick={() => removeLine(line.productId)}>
          Take it out
        </Button>
      )}
    </div>
  );
}
