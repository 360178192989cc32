import type { ColumnDef } from "@tanstack/react-table";
import { Link } from "react-router";

import type { Order } from "@/api/orders";
import { count, money, plural } from "@/lib/format";
import { CopyIcon } from "@/ui/Copy";
import { Time } from "@/ui/Time";
import { StatusBadge, StockBadge } from "@/ui/status";

interface Choosing {
  chosen: ReadonlySet<string>;
  toggle: (id: string) => void;
  allChosen: boolean;
  toggleAll: () => void;
}

const itemsOf = (order: Order): string => {
  const [first, ...others] = order.items;
  if (first === undefined) return "";
  const more = others.length === 0 ? "" : ` and ${plural(others.length, "more line")}`;
  return `${count(first.quantity)} × ${first.productName}${more}`;
};

export function orderColumns({ chosen, toggle, allChosen, toggleAll }: Choosing): ColumnDef<Order>[] {
  return [
    {
      id: "choose",
      header: () => (
        <input
          className="checkbox"
          type="checkbox"
          aria-label="Choose all shown orders"
          checked={allChosen}
          onChange={toggleAll}
        />
      ),
      cell: ({ row: { original } }) => (
        <input
          className="checkbox"
          type="checkbox"
          aria-label={`Choose ${original.orderNumber}`}
          checked={chosen.has(original._id)}
          onChange={() => toggle(original._id)}
        />
      ),
    },
    {
      id: "number",
      header: "Order",
      cell: ({ row: { original } }) => (
        <span className="with-copy">
          <Link className="link mono" to={`/orders/${original._id}`}>
            {original.orderNumber}
          </Link>
          <CopyIcon text={original.orderNumber} what="the order number" />
        </span>
      ),
    },
    { id: "status", header: "Status", cell: ({ row: { original } }) => <StatusBadge order={original} /> },
    {
      id: "stock",
      header: "Stock",
      meta: { className: "extra" },
      cell: ({ row: { original } }) => <StockBadge stock={original.stockStatus} />,
    },
    { id: "items", header: "Items", meta: { className: "extra" }, cell: ({ row: { original } }) => itemsOf(original) },
    {
      id: "customer",
      header: "Customer",
      meta: { className: "extra" },
      cell: ({ row: { original } }) => original.userId,
    },
    {
      id: "total",
      header: "Total",
      meta: { className: "num" },
      cell: ({ row: { original } }) => money(original.totalAmount, original.currency),
    },
    {
      id: "placed",
      header: "Placed",
      meta: { className: "num extra" },
      cell: ({ row: { original } }) => (
        <span className="muted">
          <Time at={original.createdAt} />
        </span>
      ),
    },
  ];
}
