import type { Order } from "@/api/orders";
import type { Product } from "@/api/products";
import { count, money } from "@/lib/format";
import type { IconName } from "@/ui/Icon";

/** Somewhere to go. */
export interface Place {
  to: string;
  label: string;
  note: string;
  icon: IconName;
}

const screen = (to: string, label: string, icon: IconName): Place => ({ to, label, note: "screen", icon });

export const SCREENS: readonly Place[] = [
  screen("/overview", "Overview", "overview"),
  screen("/orders", "Orders", "orders"),
  screen("/inventory", "Inventory", "inventory"),
  screen("/topics", "Topics", "topics"),
  screen("/groups", "Consumer groups", "groups"),
  screen("/dead-letters", "Dead letters", "letters"),
  screen("/shop", "Shop", "shop"),
];

export const placesFor = (orders: readonly Order[], products: readonly Product[]): Place[] => [
  ...orders.map((order): Place => ({
    to: `/orders/${order._id}`,
    label: order.orderNumber,
    note: `${order.statusLabel}, ${money(order.totalAmount, order.currency)}`,
    icon: "orders",
  })),
  ...products.map((product): Place => ({
    to: `/inventory/${product._id}`,
    label: product.name,
    note: `${count(product.stock)} available`,
    icon: "inventory",
  })),
];
