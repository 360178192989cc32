/** What the live gateway says (docs/live-updates.md). */
import type { Order } from "@/api/orders";
import type { Product } from "@/api/products";

export type LiveStock = Pick<Product, "_id" | "name" | "stock" | "reserved" | "onHand" | "inStock" | "version">;

export const ORDER_EVENTS = [
  "order:created",
  "order:status_changed",
  "order:cancelled",
  "order:completed",
  "order:updated",
] as const;

export type OrderEvent = (typeof ORDER_EVENTS)[number];

export interface OrderMessage {
  event: OrderEvent;
  seq: string;
  message: string;
  timestamp: string;
  order: Order;
  deleted?: boolean;
}

export interface StockMessage {
  event: "stock:changed";
  seq: string;
  message: string;
  timestamp: string;
  product: LiveStock;
}

export type LiveMessage = OrderMessage | StockMessage;

export const isOrderMessage = (message: LiveMessage): message is OrderMessage => message.event !== "stock:changed";
