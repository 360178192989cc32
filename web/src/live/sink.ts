/** Brings live messages into the cache of answers. */
import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";

import { orderKeys, type Order, type OrderFilters } from "@/api/orders";
import { movementPage, productKeys, type Product } from "@/api/products";

import { applyToList, orderChanges, withStock, type OrderChanges, type OrderData } from "./apply";
import type { LiveSink } from "./connection";
import { withHead, type Ledger } from "./ledger";
import { isOrderMessage, type LiveMessage, type LiveStock, type StockMessage } from "./messages";
import { Refresher } from "./refresher";
import { restart } from "./restart";

/** A page that stays open for days does not keep every order that came. */
const MOST_KEPT_AT_TOP = 5_000;

interface ProductPage {
  data: { products: Product[] };
}

async function refreshLedger(client: QueryClient, key: QueryKey, id: string): Promise<void> {
  const known = client.getQueryData<Ledger>(key);
  if (known === undefined) return;
  const newest = await movementPage(id, "").catch(() => undefined);
  const next = newest === undefined ? null : withHead(known, newest);
  if (next === null) await restart(client, key);
  else client.setQueryData(key, next);
}

function applyOrders(client: QueryClient, refresher: Refresher, changes: OrderChanges): void {
  for (const [id, order] of changes.changed) {
    for (const name of [id, order.orderNumber]) {
      client.setQueryData<Order>(orderKeys.one(name), (known) =>
        known !== undefined && known.version < order.version ? order : known,
      );
      refresher.ask(orderKeys.timeline(name));
    }
  }
  for (const query of client.getQueryCache().findAll({ queryKey: orderKeys.lists })) {
    const data = query.state.data as OrderData | undefined;
    if (data === undefined) continue;
    const filters = query.queryKey[2] as OrderFilters;
    const { data: next, unplaced } = applyToList(data, filters, changes);
    if (next !== data) client.setQueryData(query.queryKey, next);
    const isShort = next.pages.length === 1;
    const isSwollen = isShort && (next.pages[0]?.data.orders.length ?? 0) > MOST_KEPT_AT_TOP;
    if ((unplaced > 0 && isShort) || isSwollen) refresher.ask(query.queryKey, (key) => restart(client, key));
    // Who has scrolled on is told, and not thrown back to the top.
    else if (unplaced > 0) client.setQueryData<number>(orderKeys.unplaced(filters), (known = 0) => known + unplaced);
  }
}

function applyStock(client: QueryClient, refresher: Refresher, messages: readonly StockMessage[]): void {
  const news = new Map<string, LiveStock>();
  for (const { product } of messages) {
    const known = news.get(product._id);
    if (known === undefined || product.version > known.version) news.set(product._id, product);
  }
  for (const [id, stock] of news) {
    client.setQueryData<Product>(productKeys.one(id), (known) => known && withStock(known, stock));
    refresher.ask(productKeys.holds(id));
    refresher.ask(productKeys.movements(id), (key) => refreshLedger(client, key, id));
  }
  client.setQueriesData<InfiniteData<ProductPage>>({ queryKey: productKeys.lists }, (data) => {
    if (data?.pages.every((page) => page.data.products.every((p) => !news.has(p._id))) !== false) return data;
    const pages = data.pages.map((page) => ({
      ...page,
      data: { ...page.data, products: page.data.products.map((p) => withStock(p, news.get(p._id))) },
    }));
    return { ...data, pages };
  });
}

export function cacheSink(client: QueryClient): LiveSink {
  const refresher = new Refresher(client);
  return {
    messages: (batch: readonly LiveMessage[]) => {
      const aboutOrders = batch.filter(isOrderMessage);
      const aboutStock = batch.filter((message) => !isOrderMessage(message));
      if (aboutOrders.length > 0) applyOrders(client, refresher, orderChanges(aboutOrders));
      if (aboutStock.length > 0) applyStock(client, refresher, aboutStock);
    },
    reload: () => {
      void restart(client, orderKeys.lists);
      void restart(client, productKeys.lists);
      void client.invalidateQueries();
    },
  };
}
