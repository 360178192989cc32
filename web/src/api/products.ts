/** The catalogue and its stock. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { freshKey, products, unwrap, type Schemas } from "./client";

export type Product = Schemas["Product"];
export type Movement = Schemas["Movement"];
export type Hold = Schemas["Hold"];

export interface ProductFilters {
  search: string;
  category: string;
  minPrice: string;
  maxPrice: string;
  /** "", "true", "false" */
  inStock: string;
  sort: string;
}

export const NO_PRODUCT_FILTERS: ProductFilters = {
  search: "",
  category: "",
  minPrice: "",
  maxPrice: "",
  inStock: "",
  sort: "",
};
const PAGE = 100;
const MOST_ASKED_AGAIN = 3;

export const productKeys = {
  lists: ["products", "list"] as const,
  list: (filters: ProductFilters) => ["products", "list", filters] as const,
  all: ["products"] as const,
  one: (id: string) => ["products", "one", id] as const,
  holds: (id: string) => ["products", "holds", id] as const,
  movements: (id: string) => ["products", "movements", id] as const,
};

const amount = (text: string): number | undefined => {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) && value >= 0 ? value : undefined;
};

export const productList = (filters: ProductFilters) =>
  infiniteQueryOptions({
    queryKey: productKeys.list(filters),
    queryFn: ({ pageParam, signal }) => {
      const [minPrice, maxPrice] = [amount(filters.minPrice), amount(filters.maxPrice)];
      return unwrap(
        products.GET("/api/v1/products", {
          params: {
            query: {
              page: pageParam,
              limit: PAGE,
              ...(filters.search ? { search: filters.search } : {}),
              ...(filters.category ? { category: filters.category } : {}),
              ...(minPrice === undefined ? {} : { minPrice }),
              ...(maxPrice === undefined ? {} : { maxPrice }),
              ...(filters.inStock ? { inStock: filters.inStock === "true" } : {}),
              ...(filters.sort ? { sort: filters.sort } : {}),
            },
          },
          signal,
        }),
      );
    },
    initialPageParam: 1,
    getNextPageParam: ({ meta }) => (meta.page < meta.pages ? meta.page + 1 : undefined),
    refetchOnReconnect: false,
    // Its stock is live, but not a new product or a new price. Many pages are not asked for again one by one.
    refetchOnMount: (query) => (query.state.data?.pages.length ?? 0) <= MOST_ASKED_AGAIN,
  });

/** Categories are not a resource: the first page of the catalogue tells which there are. */
export const categories = queryOptions({
  queryKey: ["products", "categories"],
  queryFn: async ({ signal }) => {
    const answer = await unwrap(products.GET("/api/v1/products", { params: { query: { limit: 200 } }, signal }));
    const names = answer.data.products.map((product) => product.category).filter((name) => name != null);
    return [...new Set(names)].sort((a, b) => a.localeCompare(b));
  },
  staleTime: 60_000,
});

export const soldOutCount = queryOptions({
  queryKey: ["products", "sold-out"],
  queryFn: async ({ signal }) => {
    const query = { inStock: false, limit: 1 };
    return (await unwrap(products.GET("/api/v1/products", { params: { query }, signal }))).meta.total;
  },
});

export const productOne = (id: string) =>
  queryOptions({
    queryKey: productKeys.one(id),
    queryFn: async ({ signal }) =>
      (await unwrap(products.GET("/api/v1/products/{id}", { params: { path: { id } }, signal }))).data.product,
  });

export const productHolds = (id: string) =>
  infiniteQueryOptions({
    queryKey: productKeys.holds(id),
    queryFn: ({ pageParam, signal }) => {
      const params = { path: { id }, query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } };
      return unwrap(products.GET("/api/v1/products/{id}/holds", { params, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.meta.nextCursor ?? undefined,
  });

/** A page of a product's ledger, the newest movement first; the first page without a cursor. */
export function movementPage(id: string, cursor: string, signal?: AbortSignal) {
  const params = { path: { id }, query: { limit: 200, ...(cursor ? { cursor } : {}) } };
  return unwrap(
    products.GET("/api/v1/products/{id}/movements", { params, ...(signal === undefined ? {} : { signal }) }),
  );
}

export type MovementPage = Awaited<ReturnType<typeof movementPage>>;

export const productMovements = (id: string) =>
  infiniteQueryOptions({
    queryKey: productKeys.movements(id),
    queryFn: ({ pageParam, signal }) => movementPage(id, pageParam, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.meta.nextCursor ?? undefined,
    staleTime: Infinity,
  });

export interface Adjustment {
  id: string;
  delta: number;
  reason: string;
  key: string;
}

export async function adjustStock({ id, delta, reason, key }: Adjustment): Promise<Product> {
  const params = { path: { id }, header: { "Idempotency-Key": key } };
  return (await unwrap(products.POST("/api/v1/products/{id}/adjust", { params, body: { delta, reason } }))).data
    .product;
}

export { freshKey };
