/** The words and colours of an order's two states. */
import type { Order, StockStatus } from "@/api/orders";
import { words } from "@/lib/format";

import { Badge, type Tone } from "./pieces";

const STATUS_TONES: Record<number, Tone> = { 1: "warn", 2: "info", 3: "violet", 4: "good", 5: "quiet" };
const STOCK_TONES: Record<StockStatus, Tone> = {
  pending: "warn",
  reserved: "accent",
  rejected: "bad",
  released: "quiet",
  fulfilled: "good",
  returned: "violet",
};

export const STOCK_STATUSES = Object.keys(STOCK_TONES) as StockStatus[];

export const STATUSES: readonly {
  code: 1 | 2 | 3 | 4 | 5;
  name: string;
  label: string;
  next: readonly (1 | 2 | 3 | 4 | 5)[];
}[] = [
  { code: 1, name: "pending", label: "Pending", next: [2, 5] },
  { code: 2, name: "processing", label: "Processing", next: [3, 5] },
  { code: 3, name: "shipped", label: "Shipped", next: [4, 5] },
  { code: 4, name: "delivered", label: "Delivered", next: [] },
  { code: 5, name: "cancelled", label: "Cancelled", next: [] },
];

export function StatusBadge({ order }: { order: Pick<Order, "status" | "statusLabel"> }) {
  return <Badge tone={STATUS_TONES[order.status] ?? "quiet"}>{order.statusLabel}</Badge>;
}

export function StockBadge({ stock }: { stock: StockStatus }) {
  return <Badge tone={STOCK_TONES[stock]}>{words(stock)}</Badge>;
}
