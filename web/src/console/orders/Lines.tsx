import { Link } from "react-router";

import type { Order } from "@/api/orders";
import { count, money, sumOf } from "@/lib/format";

export function Lines({ order }: { order: Order }) {
  return (
    <div className="table-wrap free">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Product</th>
            <th scope="col" className="num">
              Quantity
            </th>
            <th scope="col" className="num extra">
              Price
            </th>
            <th scope="col" className="num">
              Sum
            </th>
          </tr>
        </thead>
        <tbody>
          {order.items.map((line) => (
            <tr key={line.lineId}>
              <td>
                <Link className="link" to={`/inventory/${line.productId}`}>
                  {line.productName}
                </Link>
              </td>
              <td className="num">{count(line.quantity)}</td>
              <td className="num extra">{money(line.price, order.currency)}</td>
              <td className="num">{money(sumOf([line], order.currency), order.currency)}</td>
            </tr>
          ))}
          <tr>
            <td className="strong">Total</td>
            <td />
            <td className="extra" />
            <td className="num strong">{money(order.totalAmount, order.currency)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}
