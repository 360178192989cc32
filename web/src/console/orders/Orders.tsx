/** Every order there is: filters in the address, pages by cursor, rows that change by themselves. */
import { useMemo, useState } from "react";
import { useNavigate } from "react-router";

import type { Order } from "@/api/orders";
import { ViewBar } from "@/console/ViewBar";
import { count, plural } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { useFreshRows } from "@/live/fresh";
import { Button } from "@/ui/controls";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";
import { DataTable } from "@/ui/table/DataTable";
import { TableOptions } from "@/ui/table/TableOptions";

import { BulkBar } from "./BulkBar";
import { ChoosingContext } from "./choosing";
import { ORDER_COLUMNS } from "./columns";
import { isNarrowing, NO_NARROWING } from "./narrow";
import { CLEARED, isFiltered, OrderFilterBar } from "./OrderFilterBar";
import { useOrders, type Orders as Found } from "./useOrders";
import { ORDER_VIEWS } from "./views";

/** The server counts no further. */
const MOST_COUNTED = 10_000;

export function Orders() {
  useTitle("Orders");
  const navigate = useNavigate();
  const [filters, change] = useFilters(NO_NARROWING);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const found = useOrders(filters);
  const { rows } = found;
  const fresh = useFreshRows("orders");
  const allChosen = rows.length > 0 && rows.every((row) => chosen.has(row._id));
  const choosing = {
    chosen,
    allChosen,
    toggle: (id: string) => setChosen((now) => toggled(now, id)),
    toggleAll: () => setChosen(allChosen ? new Set() : new Set(rows.map((row) => row._id))),
  };
  const picked = useMemo(() => rows.filter((row) => chosen.has(row._id)), [rows, chosen]);
  const filtered = isFiltered(filters);
  const clear = () => change(CLEARED);
  return (
    <div className="page fills">
      <PageHead title="Orders" lead={leadOf(found, isNarrowing(filters), filtered)} />
      <ViewBar screen="orders" builtIn={ORDER_VIEWS} />
      <OrderFilterBar filters={filters} onChange={change}>
        {found.unplaced.count > 0 && (
          <Button icon="refresh" onClick={found.unplaced.show}>
            {plural(found.unplaced.count, "new order")}
          </Button>
        )}
        <TableOptions name="orders" columns={ORDER_COLUMNS} />
      </OrderFilterBar>
      <Panel fills>
        {picked.length > 0 && <BulkBar orders={picked} onDone={() => setChosen(new Set())} />}
        {found.isPending && <Loading rows={10} label="Loading orders" problem={found.problem} />}
        {found.error !== null && <Failed error={found.error} retry={found.retry} />}
        {!found.isPending && found.error === null && (
          <ChoosingContext value={choosing}>
            <DataTable<Order>
              label="Orders"
              name="orders"
              rows={rows}
              columns={ORDER_COLUMNS}
              rowId={(order) => order._id}
              onOpen={(order) => void navigate(`/orders/${order._id}`)}
              selected={chosen}
              fresh={fresh}
              more={found.more}
              foot={found.further === undefined ? undefined : <Further found={found} />}
              empty={<None found={found} isFiltered={filtered} clear={clear} />}
            />
          </ChoosingContext>
        )}
      </Panel>
    </div>
  );
}

function leadOf({ rows, loaded, total, more, further }: Found, narrowed: boolean, filtered: boolean): string {
  if (total === undefined) return " ";
  if (narrowed) {
    const isAll = more === undefined && further === undefined;
    const found = isAll ? plural(rows.length, "order") : `${count(rows.length)} or more orders`;
    return `${found} match, of ${count(loaded)} looked through`;
  }
  const counted = total >= MOST_COUNTED ? `${count(MOST_COUNTED)} or more orders` : plural(total, "order");
  return filtered ? `${counted} match` : counted;
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

function Further({ found: { further, loaded } }: { found: Found }) {
  return (
    <span className="row">
      {count(loaded)} orders were looked through.
      <Button size="small" disabled={further?.loading === true} onClick={further?.load}>
        Look further
      </Button>
    </span>
  );
}

function None({ found, isFiltered: filtered, clear }: { found: Found; isFiltered: boolean; clear: () => void }) {
  if (!filtered) {
    return (
      <Empty icon="orders" title="No orders yet">
        The first one appears here the moment it is placed: in the shop, or with the API.
      </Empty>
    );
  }
  if (found.more !== undefined) return <Loading rows={10} label="Looking through orders" />;
  return (
    <Empty
      icon="filter"
      title="No order matches"
      action={found.further === undefined ? <Button onClick={clear}>Clear filters</Button> : <Further found={found} />}
    >
      Text finds the beginning of an order number, or of words of a product's name.
    </Empty>
  );
}
