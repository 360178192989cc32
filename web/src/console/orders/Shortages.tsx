import { Link } from "react-router";

import type { Order } from "@/api/orders";
import { count, words } from "@/lib/format";
import { Icon } from "@/ui/Icon";

/** Why Products said no, line by line. */
export function Shortages({ order }: { order: Order }) {
  const shortages = order.shortages ?? [];
  if (order.stockStatus !== "rejected") return null;
  return (
    <div className="callout bad">
      <Icon name="warning" />
      <div className="stack">
        <span className="strong">Rejected: {words(order.cancelReason ?? "unknown")}. Nothing of it is held.</span>
        <ul>
          {shortages.map((short) => (
            <li key={short.productId}>
              <Link className="link" to={`/inventory/${short.productId}`}>
                {short.productName}
              </Link>
              : {count(short.requested)} asked for, {count(short.available)} available
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
