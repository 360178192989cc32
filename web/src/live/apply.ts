/** What a batch of live messages does to what is shown. Pure: cached data in, cached data out. */
import type { InfiniteData } from "@tanstack/react-query";

import type { Order, OrderFilters, OrderPage } from "@/api/orders";
import type { Product } from "@/api/products";

import type { LiveStock, OrderMessage } from "./messages";

export type OrderData = InfiniteData<OrderPage, string>;

/** More new rows than this at once are not put into a list one by one. */
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

export interface Applied {
  /** The same object if nothing in it changed. */
  data: OrderData;
  /** New orders that belong into the list, but where only the server knows. */
  unplaced: number;
}

export function applyToList(data: OrderData, filters: OrderFilters, changes: OrderChanges): Applied {
  const { changed, created, deleted } = changes;
  const unknown = unknownOf(data, changed).filter((order) => matches(order, filters) && !deleted.has(order._id));
  const came = unknown.filter((order) => created.has(order._id));
  // What a text finds only the server knows, and so it is with where an amount belongs.
  const isPlaceable = filters.search === "" && filters.sortBy === "date" && came.length <= MOST_NEW_ROWS;
  const placed = isPlaceable ? unknown.filter((order) => belongs(data, filters, order)) : [];

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
    return withRows(page, rows);
  });
  for (const order of placed) insert(pages, filters, order);
  const unplaced = isPlaceable ? 0 : came.length;
  if (pages.every((page, index) => page === data.pages[index])) return { data, unplaced };
  const change = placed.length - gone;
  const withTotal = pages.map((page) => ({ ...page, meta: { ...page.meta, total: counted(page, change) } }));
  return { data: { ...data, pages: withTotal }, unplaced };
}

const withRows = (page: OrderPage, orders: Order[]): OrderPage => ({
  ...page,
  data: { ...page.data, orders, count: orders.length },
});

/** Those of the changed orders that are not in the list. */
function unknownOf(data: OrderData, changed: ReadonlyMap<string, Order>): Order[] {
  const unknown = new Map(changed);
  for (const page of data.pages) for (const order of page.data.orders) unknown.delete(order._id);
  return [...unknown.values()];
}

/** By date: the newer order has the greater id. */
const isBefore = (one: Order, other: Order, { sortOrder }: OrderFilters): boolean =>
  sortOrder === "desc" ? one._id > other._id : one._id < other._id;

/** Whether its place is among the pages that are loaded; what is further on comes with its page. */
function belongs(data: OrderData, filters: OrderFilters, order: Order): boolean {
  const last = data.pages.at(-1);
  const lastRow = data.pages.findLast((page) => page.data.orders.length > 0)?.data.orders.at(-1);
  return last?.meta.nextCursor == null || (lastRow !== undefined && isBefore(order, lastRow, filters));
}

function insert(pages: OrderPage[], filters: OrderFilters, order: Order): void {
  const isAfter = (row: Order) => isBefore(order, row, filters);
  const found = pages.findIndex((page) => page.data.orders.some(isAfter));
  const number = found < 0 ? pages.length - 1 : found;
  const page = pages[number];
  if (page === undefined) return;
  const { orders } = page.data;
  const at = found < 0 ? orders.length : orders.findIndex(isAfter);
  pages[number] = withRows(page, [...orders.slice(0, at), order, ...orders.slice(at)]);
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
