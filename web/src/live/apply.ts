/** What a batch of live messages does to what is shown. Pure: cached data in, cached data out. */
import type { InfiniteData } from "@tanstack/react-query";

import type { Order, OrderFilters, OrderPage } from "@/api/orders";
import type { Product } from "@/api/products";

import type { LiveStock, OrderMessage } from "./messages";

export type OrderData = InfiniteData<OrderPage, string>;

/** More new rows than this at once, and the list is asked for anew instead. */
export const MOST_NEW_ROWS = 200;
const MOST_COUNTED = 10_000;
const STATUS_NAMES = ["", "pending", "processing", "shipped", "delivered", "cancelled"];

export interface OrderChanges {
  /** The newest state of each order that changed. */
  changed: ReadonlyMap<string, Order>;
  created: ReadonlySet<string>;
  deleted: ReadonlySet<string>;
}

export function orderChanges(batch: readonly OrderMessage[]): OrderChanges {
  const changed = new Map<string, Order>();
  const created = new Set<string>();
  const deleted = new Set<string>();
  for (const message of batch) {
    const { order } = message;
    const known = changed.get(order._id);
    if (known === undefined || order.version >= known.version) changed.set(order._id, order);
    if (message.event === "order:created") created.add(order._id);
    if (message.deleted === true) deleted.add(order._id);
  }
  return { changed, created, deleted };
}

export function matches(order: Order, filters: OrderFilters): boolean {
  const { status, userId } = filters;
  const rightStatus =
    status === "" || status === String(order.status) || status.toLowerCase() === STATUS_NAMES[order.status];
  return rightStatus && (userId === "" || order.userId === userId);
}

/** The list after the changes; `null`: it has to be asked for anew. */
export function applyToList(data: OrderData, filters: OrderFilters, changes: OrderChanges): OrderData | null {
  const { changed, created, deleted } = changes;
  const isNewestFirst = filters.sortBy === "date" && filters.sortOrder === "desc";
  const shown = new Set(data.pages.flatMap((page) => page.data.orders.map((order) => order._id)));
  const fresh = [...created]
    .map((id) => changed.get(id))
    .filter((order): order is Order => order !== undefined && !shown.has(order._id))
    .filter((order) => matches(order, filters) && !deleted.has(order._id));
  // What a text finds only the server knows, and so it is with where an amount belongs.
  if (fresh.length > MOST_NEW_ROWS || (fresh.length > 0 && (filters.search !== "" || !isNewestFirst))) return null;

  let gone = 0;
  const pages = data.pages.map((page) => {
    const touched = page.data.orders.some((order) => changed.has(order._id));
    if (!touched) return page;
    const rows: Order[] = [];
    for (const order of page.data.orders) {
      const next = changed.get(order._id);
      const newest = next !== undefined && next.version > order.version ? next : order;
      if (deleted.has(order._id) || !matches(newest, filters)) gone += 1;
      else rows.push(newest);
    }
    return { ...page, data: { ...page.data, orders: rows, count: rows.length } };
  });
  const [first] = pages;
  if (first !== undefined && fresh.length > 0) {
    // The newest has the greatest id.
    fresh.sort((a, b) => (a._id < b._id ? 1 : -1));
    const rows = [...fresh, ...first.data.orders];
    pages[0] = { ...first, data: { ...first.data, orders: rows, count: rows.length } };
  }
  if (fresh.length === 0 && gone === 0 && pages.every((page, index) => page === data.pages[index])) return data;
  const withTotal = pages.map((page) => ({
    ...page,
    meta: { ...page.meta, total: counted(page, fresh.length - gone) },
  }));
  return { ...data, pages: withTotal };
}

function counted(page: OrderPage, change: number): number {
  const { total } = page.meta;
  // "At least": it stays so.
  return total >= MOST_COUNTED ? total : Math.max(0, Math.min(MOST_COUNTED, total + change));
}

/** A product with newer balances; the same object if they are not newer. */
export function withStock<P extends Product>(product: P, news: LiveStock | undefined): P {
  if (news === undefined || news.version <= product.version) return product;
  const { stock, reserved, onHand, inStock, version } = news;
  return { ...product, stock, reserved, onHand, inStock, version };
}
