import type { ColumnDef } from "@tanstack/react-table";

import type { Message } from "@/api/operator";
import { previewOf } from "@/lib/messages";
import { Badge, Time } from "@/ui/pieces";

export const messageId = (message: Pick<Message, "topic" | "partition" | "offset">): string =>
  `${message.topic}/${message.partition}/${message.offset}`;

export const MESSAGE_COLUMNS = (open: (message: Message) => void): ColumnDef<Message>[] => [
  {
    id: "place",
    header: "Partition : offset",
    cell: ({ row: { original } }) => (
      <button type="button" className="copy link mono" onClick={() => open(original)}>
        {original.partition} : {original.offset}
      </button>
    ),
  },
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
