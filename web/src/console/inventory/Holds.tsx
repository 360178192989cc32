import type { ColumnDef } from "@tanstack/react-table";
import { Link } from "react-router";

import type { Hold } from "@/api/products";
import { ago, count } from "@/lib/format";
import { DataTable } from "@/ui/table/DataTable";
import { Copy } from "@/ui/Copy";
import { Badge, Empty, Failed, Loading } from "@/ui/pieces";
import { Time } from "@/ui/Time";

import type { Paged } from "./paged";

const COLUMNS: ColumnDef<Hold>[] = [
  {
    id: "order",
    header: "Held for",
    cell: ({ row: { original } }) =>
      original.orderNumber == null ? (
        <span className="mono">{original.orderId}</span>
      ) : (
        <Link className="link mono" to={`/orders/${original.orderId}`}>
          {original.orderNumber}
        </Link>
      ),
  },
  { id: "quantity", header: "Quantity", meta: { className: "num" }, cell: ({ row }) => count(row.original.quantity) },
  { id: "since", header: "Since", cell: ({ row }) => <Time at={row.original.createdAt} /> },
  {
    id: "age",
    header: "For",
    meta: { className: "extra" },
    cell: ({ row }) => <span className="muted">{ago(row.original.createdAt)}</span>,
  },
  {
    id: "source",
    header: "Made by",
    meta: { className: "extra" },
    cell: ({ row }) => <Badge tone={row.original.source === "http" ? "info" : "quiet"}>{row.original.source}</Badge>,
  },
  { id: "id", header: "Hold", meta: { className: "extra" }, cell: ({ row }) => <Copy text={row.original.holdId} /> },
];

export function Holds({ query, holds }: { query: Paged; holds: readonly Hold[] }) {
  if (query.isPending) return <Loading rows={5} label="Loading holds" />;
  if (query.isError && holds.length === 0) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return (
    <DataTable<Hold>
      label="Open holds"
      rows={holds}
      columns={COLUMNS}
      rowId={(hold) => hold.holdId}
      more={
        query.hasNextPage ? { loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() } : undefined
      }
      empty={
        <Empty icon="inventory" title="Nothing is held">
          Every order of this product has been shipped, cancelled or rejected.
        </Empty>
      }
    />
  );
}
