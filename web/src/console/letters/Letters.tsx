/** Messages that could not be processed, and what can be done with them. */
import { useQuery } from "@tanstack/react-query";
import type { ColumnDef } from "@tanstack/react-table";
import { useMemo } from "react";
import { Link } from "react-router";

import { letterList, type DeadLetter } from "@/api/operator";
import { messageOf } from "@/api/problem";
import { plural, words } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { DataTable } from "@/ui/DataTable";
import { Badge, Empty, Failed, Loading, PageHead, Panel, Time } from "@/ui/pieces";

import { LetterSheet } from "./LetterSheet";

const columnsFor = (open: (id: string) => void): ColumnDef<DeadLetter>[] => [
  {
    id: "id",
    header: "Dead letter",
    cell: ({ row: { original } }) => (
      <button type="button" className="copy link mono" onClick={() => open(original.id)}>
        {original.id}
      </button>
    ),
  },
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

const DEFAULTS = { id: "" };

export function Letters() {
  useTitle("Dead letters");
  const [opened, change] = useFilters(DEFAULTS);
  const { data, error, isPending, refetch } = useQuery(letterList);
  const columns = useMemo(() => columnsFor((id) => change({ id })), [change]);
  const lead =
    data === undefined
      ? " "
      : data.items.length === 0
        ? "Every message could be processed."
        : `${plural(data.items.length, "message")} parked. All other orders go on.`;
  return (
    <div className="page">
      <PageHead title="Dead letters" lead={lead} />
      {data?.away.map((away) => (
        <div className="callout warn" role="alert" key={away.service}>
          {words(away.service)} does not answer: {messageOf(away.error)}
        </div>
      ))}
      <Panel>
        {isPending && <Loading rows={6} label="Loading dead letters" />}
        {error !== null && data === undefined && <Failed error={error} retry={() => void refetch()} />}
        {data !== undefined && (
          <DataTable<DeadLetter>
            label="Dead letters"
            rows={data.items}
            columns={columns}
            rowId={(letter) => letter.id}
            onOpen={(letter) => change({ id: letter.id })}
            empty={
              <Empty icon="check" title="No dead letters">
                A message that cannot be read is parked here, with what waits behind it. It stops no other order.
              </Empty>
            }
          />
        )}
      </Panel>
      {opened.id !== "" && <LetterSheet key={opened.id} id={opened.id} onClose={() => change({ id: "" })} />}
    </div>
  );
}
