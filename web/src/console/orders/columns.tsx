import type { ColumnDef } from "@tanstack/react-table";
import { useContext } from "react";
import { Link } from "react-router";

import type { Order } from "@/api/orders";
import { count, money, plural } from "@/lib/format";
import { CopyIcon } from "@/ui/Copy";
import { Time } from "@/ui/Time";
import { StatusBadge, StockBadge } from "@/ui/status";

import { ChoosingContext } from "./choosing";

function ChooseAll() {
  const { allChosen, toggleAll } = useContext(ChoosingContext);
  return (
    <input
      className="checkbox"
      type="checkbox"
      aria-label="Choose all shown orders"
      checked={allChosen}
      onChange={toggleAll}
    />
  );
}

function Choose({ order: { _id, orderNumber } }: { order: Order }) {
  const { chosen, toggle } = useContext(ChoosingContext);
  return (
    <input
      className="checkbox"
      type="checkbox"
      aria-label={`Choose ${orderNumber}`}
      checked={chosen.has(_id)}
      onChange={() => toggle(_id)}
    />
  );
}

const itemsOf = (order: Order): string => {
  const [first, ...others] = order.items;
  if (first === undefined) return "";
  const more = others.length === 0 ? "" : ` and ${plural(others.length, "more line")}`;
  return `${count(first.quantity)} × ${first.productName}${more}`;
};

export const ORDER_COLUMNS: ColumnDef<Order>[] = [
  { id: "choose", header: () => <ChooseAll />, cell: ({ row }) => <Choose order={row.original} /> },
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
