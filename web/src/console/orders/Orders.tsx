/** Every order there is: filters in the address, pages by cursor, rows that change by themselves. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useNavigate } from "react-router";

import { NO_FILTERS, orderList, type Order } from "@/api/orders";
import { count, plural } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { useFreshRows } from "@/live/fresh";
import { DataTable } from "@/ui/DataTable";
import { Button } from "@/ui/controls";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

import { BulkBar } from "./BulkBar";
import { orderColumns } from "./columns";
import { OrderFilterBar } from "./OrderFilterBar";

const MOST_COUNTED = 10_000;

export function Orders() {
  useTitle("Orders");
  const navigate = useNavigate();
  const [filters, change] = useFilters(NO_FILTERS);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const list = useInfiniteQuery(orderList(filters));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data.orders) ?? [], [list.data]);
  const fresh = useFreshRows("orders");
  const total = list.data?.pages[0]?.meta.total ?? 0;
  const allChosen = rows.length > 0 && rows.every((row) => chosen.has(row._id));
  const columns = useMemo(
    () =>
      orderColumns({
        chosen,
        toggle: (id) => setChosen((now) => toggled(now, id)),
        allChosen,
        toggleAll: () => setChosen(allChosen ? new Set() : new Set(rows.map((row) => row._id))),
      }),
    [chosen, allChosen, rows],
  );
  const isFiltered = filters.status !== "" || filters.userId !== "" || filters.search !== "";
  const picked = rows.filter((row) => chosen.has(row._id));
  return (
    <div className="page">
      <PageHead title="Orders" lead={list.data === undefined ? " " : leadOf(total, isFiltered)} />
      <OrderFilterBar filters={filters} onChange={change} />
      <Panel>
        {picked.length > 0 && <BulkBar orders={picked} onDone={() => setChosen(new Set())} />}
        {list.isPending && <Loading rows={10} label="Loading orders" />}
        {list.isError && list.data === undefined && <Failed error={list.error} retry={() => void list.refetch()} />}
        {list.data !== undefined && (
          <DataTable<Order>
            label="Orders"
            rows={rows}
            columns={columns}
            rowId={(order) => order._id}
            onOpen={(order) => void navigate(`/orders/${order._id}`)}
            selected={chosen}
            fresh={fresh}
            more={
              list.hasNextPage ? { loading: list.isFetchingNextPage, load: () => void list.fetchNextPage() } : undefined
            }
            empty={isFiltered ? <NoMatch clear={() => change(NO_FILTERS)} /> : <NoOrders />}
          />
        )}
      </Panel>
    </div>
  );
}

const leadOf = (total: number, isFiltered: boolean): string =>
  `${total >= MOST_COUNTED ? `${count(MOST_COUNTED)} or more orders` : plural(total, "order")}${isFiltered ? " match" : ""}`;

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

function NoOrders() {
  return (
    <Empty icon="orders" title="No orders yet">
      The first one appears here the moment it is placed: in the shop, or with the API.
    </Empty>
  );
}

function NoMatch({ clear }: { clear: () => void }) {
  return (
    <Empty icon="filter" title="No order matches" action={<Button onClick={clear}>Clear filters</Button>}>
      Text finds the beginning of an order number, or of words of a product's name.
    </Empty>
  );
}
