/** Orders: what is asked for, and how the answers are cached. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { freshKey, orders, unwrap, type Schemas } from "./client";

export type Order = Schemas["Order"];
export type OrderStatus = 1 | 2 | 3 | 4 | 5;
export type StockStatus = Schemas["StockStatus"];
export type TimelineStep = Schemas["TimelineStep"];
export type NewOrder = Schemas["CreateOrder"];
export type OrderPage = Schemas["OrderList"];

/** The filters of a list; an empty text is no filter. */
export interface OrderFilters {
  status: string;
  userId: string;
  search: string;
  sortBy: "date" | "amount";
  sortOrder: "desc" | "asc";
}

export const NO_FILTERS: OrderFilters = { status: "", userId: "", search: "", sortBy: "date", sortOrder: "desc" };
const PAGE = 100;

type StatusQuery = "1" | "2" | "3" | "4" | "5";

export const orderKeys = {
  lists: ["orders", "list"] as const,
  list: (filters: OrderFilters) => ["orders", "list", filters] as const,
  /** How many orders came that belong into the list, but are not in it yet. */
  unplaced: (filters: OrderFilters) => ["orders", "unplaced", filters] as const,
  one: (id: string) => ["orders", "one", id] as const,
  timeline: (id: string) => ["orders", "timeline", id] as const,
};

export const orderList = (filters: OrderFilters) =>
  infiniteQueryOptions({
    queryKey: orderKeys.list(filters),
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        orders.GET("/api/v1/orders", {
          params: {
            query: {
              sortBy: filters.sortBy,
              sortOrder: filters.sortOrder,
              limit: PAGE,
              ...(filters.status ? { status: filters.status as StatusQuery } : {}),
              ...(filters.userId ? { userId: filters.userId } : {}),
              ...(filters.search ? { search: filters.search } : {}),
              ...(pageParam ? { cursor: pageParam } : {}),
            },
          },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.meta.nextCursor ?? undefined,
    // Live messages keep the list as it is, also while nobody looks at it. To ask for it anew is to ask for every page that
    // was scrolled to: that is left to what knows that something is missing.
    staleTime: Infinity,
    refetchOnReconnect: false,
  });

/** The newest orders, as they were when it was asked first. */
export const recentOrders = queryOptions({
  queryKey: ["orders", "recent"],
  queryFn: async ({ signal }) =>
    (await unwrap(orders.GET("/api/v1/orders", { params: { query: { limit: 200 } }, signal }))).data.orders,
  staleTime: Infinity,
});

export const orderOne = (id: string) =>
  queryOptions({
    queryKey: orderKeys.one(id),
    queryFn: async ({ signal }) =>
      (await unwrap(orders.GET("/api/v1/orders/{id}", { params: { path: { id } }, signal }))).data.order,
  });

export const orderTimeline = (id: string) =>
  queryOptions({
    queryKey: orderKeys.timeline(id),
    queryFn: async ({ signal }) =>
      (await unwrap(orders.GET("/api/v1/orders/{id}/timeline", { params: { path: { id } }, signal }))).data,
  });

export async function placeOrder(order: NewOrder, key = freshKey()): Promise<Order> {
  const params = { header: { "Idempotency-Key": key } };
  return (await unwrap(orders.POST("/api/v1/orders", { params, body: order }))).data.order;
}

export interface StatusChange {
  id: string;
  status: OrderStatus;
  reason?: string | undefined;
  trackingNumber?: string | undefined;
}

export async function setStatus({ id, status, reason, trackingNumber }: StatusChange): Promise<Order> {
  const body = { status, ...(reason ? { reason } : {}), ...(trackingNumber ? { trackingNumber } : {}) };
  const params = { path: { id }, header: { "Idempotency-Key": freshKey() } };
  return (await unwrap(orders.PATCH("/api/v1/orders/{id}/status", { params, body }))).data.order;
}

export async function cancelOrder(id: string, reason: string): Promise<Order> {
  const params = { path: { id }, header: { "Idempotency-Key": freshKey() } };
  const body = reason ? { reason } : {};
  return (await unwrap(orders.PATCH("/api/v1/orders/{id}/cancel", { params, body }))).data.order;
}
