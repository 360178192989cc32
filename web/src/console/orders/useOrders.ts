/** The orders that match, page by page. Where they are sought among loaded ones, so many pages are looked through at once. */
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import { orderKeys, orderList, type Order } from "@/api/orders";
import { useClock } from "@/lib/clock";
import { restart } from "@/live/restart";

import { askedOf, isNarrowing, narrow, type Filters } from "./narrow";

/** Pages that are looked through before somebody has to ask for more. */
const PATIENCE = 20;
/** As many matches fill a screen. */
const ENOUGH = 50;
const MINUTE = 60_000;

export interface Orders {
  rows: readonly Order[];
  /** How many were looked through for them. */
  loaded: number;
  /** How many the server counts; without what is filtered here. */
  total: number | undefined;
  isPending: boolean;
  /** Why the last attempt failed, while another one is made. */
  problem: Error | null;
  error: Error | null;
  retry: () => void;
  /** Orders that came and belong somewhere into the list; `show` asks for it anew. */
  unplaced: { count: number; show: () => void };
  more: { loading: boolean; load: () => void } | undefined;
  /** There may be more further back, where nobody has looked yet. */
  further: { loading: boolean; load: () => void } | undefined;
}

export function useOrders(filters: Filters): Orders {
  const client = useQueryClient();
  const asking = askedOf(filters);
  const list = useInfiniteQuery(orderList(asking));
  const unplaced = useQuery({ queryKey: orderKeys.unplaced(asking), queryFn: () => 0, enabled: false });
  const loaded = useMemo(() => list.data?.pages.flatMap((page) => page.data.orders) ?? [], [list.data]);
  // By the minute: a span that moves by the second would filter everything anew each time.
  const now = Math.ceil(useClock(filters.placed !== "") / MINUTE) * MINUTE;
  const { orders, isOver } = useMemo(() => narrow(loaded, filters, now), [loaded, filters, now]);
  const [asked, setAsked] = useState({ filters, patience: PATIENCE });
  const patience = asked.filters === filters ? asked.patience : PATIENCE;

  const { fetchNextPage, isFetchingNextPage } = list;
  const pages = list.data?.pages.length ?? 0;
  const hasMore = list.hasNextPage && !isOver;
  const mayLook = hasMore && (!isNarrowing(filters) || pages < patience);
  const seeks = mayLook && isNarrowing(filters) && orders.length < ENOUGH && !isFetchingNextPage && !list.isError;
  useEffect(() => {
    if (seeks) void fetchNextPage();
  }, [seeks, fetchNextPage]);

  const load = () => void fetchNextPage();
  const look = () => {
    setAsked({ filters, patience: pages + PATIENCE });
    load();
  };
  return {
    rows: orders,
    loaded: loaded.length,
    total: list.data?.pages[0]?.meta.total,
    isPending: list.isPending,
    problem: list.failureReason,
    error: list.data === undefined ? list.error : null,
    retry: () => void list.refetch(),
    unplaced: {
      count: unplaced.data ?? 0,
      show: () => {
        client.setQueryData(orderKeys.unplaced(asking), 0);
        void restart(client, orderKeys.list(asking));
      },
    },
    more: mayLook ? { loading: isFetchingNextPage, load } : undefined,
    further: hasMore && !mayLook ? { loading: isFetchingNextPage, load: look } : undefined,
  };
}
