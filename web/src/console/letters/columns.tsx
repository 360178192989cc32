import type { ColumnDef } from "@tanstack/react-table";
import { Link, useSearchParams } from "react-router";

import type { DeadLetter } from "@/api/operator";
import { Badge } from "@/ui/pieces";
import { Time } from "@/ui/Time";

function Opener({ id }: { id: string }) {
  const [params] = useSearchParams();
  const to = new URLSearchParams(params);
  to.set("id", id);
  return (
    <Link className="link mono" to={`?${to.toString()}`} replace>
      {id}
    </Link>
  );
}

export const LETTER_COLUMNS: ColumnDef<DeadLetter>[] = [
  { id: "id", header: "Dead letter", cell: ({ row }) => <Opener id={row.original.id} /> },
  {
    id: "cause",
    header: "Cause",
    cell: ({ row: { original } }) => (
      <Badge tone={original.cause === "poison" ? "bad" : "warn"}>
        {original.cause === "poison" ? "Unreadable" : "Waits behind"}
      </Badge>
    ),
  },
  { id: "topic", header: "Topic", cell: ({ row }) => <span className="mono">{row.original.topic}</span> },
  {
    id: "order",
    header: "Order",
    meta: { className: "extra" },
    cell: ({ row: { original } }) =>
      original.orderId == null ? (
        <span className="muted">none</span>
      ) : (
        <Link className="link mono" to={`/orders/${original.orderId}`}>
          {original.orderNumber ?? original.orderId}
        </Link>
      ),
  },
  {
    id: "error",
    header: "Error",
    meta: { className: "extra fills" },
    cell: ({ row }) => <span className="bad">{row.original.error ?? "–"}</span>,
  },
  { id: "attempts", header: "Attempts", meta: { className: "num extra" }, cell: ({ row }) => row.original.attempts },
  { id: "at", header: "Parked", cell: ({ row }) => <Time at={row.original.parkedAt} /> },
];
