/** "Why is this not available?", in one place. */
import { Link } from "react-router";

import type { Hold, Movement, Product } from "@/api/products";
import { ago, count, plural } from "@/lib/format";
import { whyOf } from "@/lib/why";
import { Panel } from "@/ui/pieces";

import { StockBar } from "./StockBar";

const MOST_SHOWN = 5;

interface Props {
  product: Product;
  holds: readonly Hold[];
  movements: readonly Movement[];
}

export function Why({ product, holds, movements }: Props) {
  const { headline, biggest, sources } = whyOf(product, holds, movements);
  return (
    <Panel title={product.stock === 0 ? "Why is this not available?" : "Where the stock is"} padded>
      <div className="stack why">
        <p className="strong">{headline}</p>
        <StockBar product={product} />
        <dl className="facts">
          {sources.map(({ name, value }) => (
            <div key={name} className="fact-line">
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {biggest.length > 0 && (
          <>
            <p className="muted">Held for, largest first</p>
            <ul className="stack">
              {biggest.slice(0, MOST_SHOWN).map((hold) => (
                <li key={hold.holdId} className="row">
                  <Link
                    className="link mono grow clip"
                    to={hold.orderNumber == null ? `/orders?search=${hold.orderId}` : `/orders/${hold.orderId}`}
                  >
                    {hold.orderNumber ?? hold.orderId}
                  </Link>
                  <span>{count(hold.quantity)}</span>
                  <span className="muted">{ago(hold.createdAt)}</span>
                </li>
              ))}
            </ul>
            {biggest.length > MOST_SHOWN && (
              <p className="muted">and {plural(biggest.length - MOST_SHOWN, "more hold")}, below</p>
            )}
          </>
        )}
      </div>
    </Panel>
  );
}
