import type { ColumnDef } from "@tanstack/react-table";
import { Link } from "react-router";

import type { Movement } from "@/api/products";
import { count, signed, words } from "@/lib/format";
import { messagePath } from "@/lib/messages";
import { DataTable } from "@/ui/table/DataTable";
import { Badge, Empty, Failed, Loading, type Tone } from "@/ui/pieces";
import { Time } from "@/ui/Time";

import type { Paged } from "./paged";

const TONES: Record<string, Tone> = {
  received: "good",
  reserved: "accent",
  released: "quiet",
  fulfilled: "violet",
  returned: "info",
  adjusted: "warn",
};

function Cause({ movement }: { movement: Movement }) {
  const { cause } = movement;
  switch (cause.type) {
    case "event":
      return (
        <Link className="link" to={messagePath(cause)}>
          {cause.topic} {cause.partition}:{cause.offset}
        </Link>
      );
    case "adjusted":
      return <>{cause.reason}</>;
    case "created":
      return <>product created</>;
    default:
      return <>{words(cause.type)}</>;
  }
}

const COLUMNS: ColumnDef<Movement>[] = [
  { id: "at", header: "When", cell: ({ row }) => <Time at={row.original.at} /> },
  {
    id: "kind",
    header: "Kind",
    cell: ({ row }) => <Badge tone={TONES[row.original.kind] ?? "quiet"}>{words(row.original.kind)}</Badge>,
  },
  { id: "onHand", header: "On hand", meta: { className: "num" }, cell: ({ row }) => signed(row.original.onHandDelta) },
  {
    id: "reserved",
    header: "Reserved",
    meta: { className: "num" },
    cell: ({ row }) => signed(row.original.reservedDelta),
  },
  {
    id: "after",
    header: "Available after",
    meta: { className: "num" },
    cell: ({ row }) => <span className="strong">{count(row.original.balances.stock)}</span>,
  },
  {
    id: "order",
    header: "Order",
    meta: { className: "extra" },
    cell: ({ row: { original } }) =>
      original.orderNumber == null ? (
        <span className="muted">{original.orderId ?? "–"}</span>
      ) : (
        <Link className="link mono" to={`/orders/${original.orderId}`}>
          {original.orderNumber}
        </Link>
      ),
  },
  { id: "cause", header: "Cause", meta: { className: "extra" }, cell: ({ row }) => <Cause movement={row.original} /> },
];

/** The ledger, the newest first: every change of stock is in it. */
export function Movements({ query, movements }: { query: Paged; movements: readonly Movement[] }) {
  if (query.isPending) return <Loading rows={5} label="Loading movements" />;
  if (query.isError && movements.length === 0) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return (
    <DataTable<Movement>
      label="Movements"
      rows={movements}
      columns={COLUMNS}
      rowId={(movement) => movement.movementId}
      more={
        query.hasNextPage ? { loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() } : undefined
      }
      empty={<Empty icon="inventory" title="Nothing has moved yet" />}
    />
  );
}
