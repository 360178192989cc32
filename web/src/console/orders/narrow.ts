/** What the API does not filter by is filtered here, among the orders that were loaded: when, and what became of the stock. */
import { NO_FILTERS, type Order, type OrderFilters } from "@/api/orders";

export interface Filters extends OrderFilters {
  /** Since when, or before when, it was placed. */
  placed: "" | "hour" | "today" | "day" | "old";
  /** A stock status. */
  stock: string;
}

export const NO_NARROWING: Filters = { ...NO_FILTERS, placed: "", stock: "" };

export const isNarrowing = ({ placed, stock }: Filters): boolean => placed !== "" || stock !== "";

/** The part that the API knows: it names the list in the cache. */
export const askedOf = ({ status, userId, search, sortBy, sortOrder }: Filters): OrderFilters => ({
  status,
  userId,
  search,
  sortBy,
  sortOrder,
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Span {
  from: number;
  before: number;
}

export function spanOf(placed: Filters["placed"], now: number): Span {
  switch (placed) {
    case "hour":
      return { from: now - HOUR, before: Infinity };
    case "day":
      return { from: now - 24 * HOUR, before: Infinity };
    case "today":
      return { from: new Date(now).setHours(0, 0, 0, 0), before: Infinity };
    case "old":
      return { from: -Infinity, before: now - MINUTE };
    default:
      return { from: -Infinity, before: Infinity };
  }
}

export interface Narrowed {
  orders: readonly Order[];
  /** Further pages cannot have more: they are all older, or all newer, than what was asked for. */
  isOver: boolean;
}

export function narrow(loaded: readonly Order[], filters: Filters, now: number): Narrowed {
  if (!isNarrowing(filters)) return { orders: loaded, isOver: false };
  const { from, before } = spanOf(filters.placed, now);
  const placedAt = (order: Order) => Date.parse(order.createdAt);
  const orders = loaded.filter(
    (order) =>
      (filters.stock === "" || order.stockStatus === filters.stock) &&
      placedAt(order) >= from &&
      placedAt(order) < before,
  );
  const last = loaded.at(-1);
  const isPast =
    last !== undefined && (filters.sortOrder === "desc" ? placedAt(last) < from : placedAt(last) >= before);
  return { orders, isOver: filters.sortBy === "date" && isPast };
}
