import type { ColumnDef } from "@tanstack/react-table";
import { Link, useSearchParams } from "react-router";

import type { Message } from "@/api/operator";
import { previewOf } from "@/lib/messages";
import { Badge } from "@/ui/pieces";
import { Time } from "@/ui/Time";

export const messageId = (message: Pick<Message, "topic" | "partition" | "offset">): string =>
  `${message.topic}/${message.partition}/${message.offset}`;

/** Opens the message on the page as it is: only the address's `message` changes. */
function Opener({ message: { partition, offset } }: { message: Message }) {
  const [params] = useSearchParams();
  const to = new URLSearchParams(params);
  to.set("message", `${partition}:${offset}`);
  return (
    <Link className="link mono" to={`?${to.toString()}`} replace>
      {partition} : {offset}
    </Link>
  );
}

export const MESSAGE_COLUMNS: ColumnDef<Message>[] = [
  { id: "place", header: "Partition : offset", cell: ({ row }) => <Opener message={row.original} /> },
  { id: "at", header: "Time", cell: ({ row }) => <Time at={row.original.timestamp} /> },
  {
    id: "type",
    header: "Event",
    cell: ({ row: { original } }) =>
      original.eventType == null ? (
        <Badge tone="bad">unreadable</Badge>
      ) : (
        <Badge tone="violet">{original.eventType}</Badge>
      ),
  },
  {
    id: "key",
    header: "Key",
    meta: { className: "extra" },
    cell: ({ row }) => <span className="mono">{row.original.key}</span>,
  },
  {
    id: "payload",
    header: "Payload",
    meta: { className: "extra fills" },
    cell: ({ row }) => <span className="mono muted">{previewOf(row.original.payload)}</span>,
  },
];
