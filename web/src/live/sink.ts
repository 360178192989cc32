/** Brings live messages into the cache of answers. */
import type { InfiniteData, QueryClient } from "@tanstack/react-query";

import { orderKeys, type Order, type OrderFilters } from "@/api/orders";
import { productKeys, type Product } from "@/api/products";

import { applyToList, orderChanges, withStock, type OrderChanges, type OrderData } from "./apply";
import type { LiveSink } from "./connection";
import { isOrderMessage, type LiveMessage, type LiveStock, type StockMessage } from "./messages";

interface ProductPage {
  data: { products: Product[] };
}

/** Asks for a list anew from its first page: not for each page that was scrolled to. */
function restart(client: QueryClient, key: readonly unknown[]): void {
  for (const query of client.getQueryCache().findAll({ queryKey: key })) {
    client.setQueryData<InfiniteData<unknown>>(query.queryKey, (data) =>
      data !== undefined && Array.isArray(data.pages) && data.pages.length > 1
        ? { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) }
        : data,
    );
  }
  void client.invalidateQueries({ queryKey: key });
}

function applyOrders(client: QueryClient, changes: OrderChanges): void {
  for (const [id, order] of changes.changed) {
    for (const name of [id, order.orderNumber]) {
      client.setQueryData<Order>(orderKeys.one(name), (known) =>
        known !== undefined && known.version < order.version ? order : known,
      );
      void client.invalidateQueries({ queryKey: orderKeys.timeline(name) });
    }
  }
  for (const query of client.getQueryCache().findAll({ queryKey: orderKeys.lists })) {
    const data = query.state.data as OrderData | undefined;
    if (data === undefined) continue;
    const filters = query.queryKey[2] as OrderFilters;
    const next = applyToList(data, filters, changes);
    if (next === null) restart(client, query.queryKey);
    else if (next !== data) client.setQueryData(query.queryKey, next);
  }
}

function applyStock(client: QueryClient, messages: readonly StockMessage[]): void {
  const news = new Map<string, LiveStock>();
  for (const { product } of messages) {
    const known = news.get(product._id);
    if (known === undefined || product.version > known.version) news.set(product._id, product);
  }
  for (const [id, stock] of news) {
    client.setQueryData<Product>(productKeys.one(id), (known) => known && withStock(known, stock));
    void client.invalidateQueries({ queryKey: productKeys.holds(id) });
    void client.invalidateQueries({ queryKey: productKeys.movements(id) });
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

export const cacheSink = (client: QueryClient): LiveSink => ({
  messages: (batch: readonly LiveMessage[]) => {
    const aboutOrders = batch.filter(isOrderMessage);
    const aboutStock = batch.filter((message) => !isOrderMessage(message));
    if (aboutOrders.length > 0) applyOrders(client, orderChanges(aboutOrders));
    if (aboutStock.length > 0) applyStock(client, aboutStock);
  },
  reload: () => {
    restart(client, orderKeys.lists);
    restart(client, productKeys.lists);
    void client.invalidateQueries();
  },
});
