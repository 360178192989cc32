/** What there is, what is held, and what can be sold. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { ColumnDef } from "@tanstack/react-table";
import { useMemo } from "react";
import { Link, useNavigate } from "react-router";

import { categories, NO_PRODUCT_FILTERS, productList, type Product } from "@/api/products";
import { ViewBar } from "@/console/ViewBar";
import { count, money, plural } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import type { View } from "@/lib/views";
import { useFilters } from "@/lib/url";
import { useFreshRows } from "@/live/fresh";
import { Button, SearchBox, Select } from "@/ui/controls";
import { FilterBar } from "@/ui/FilterBar";
import { DataTable } from "@/ui/table/DataTable";
import { TableOptions } from "@/ui/table/TableOptions";
import { Badge, Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

import { StockBar } from "./StockBar";

const LOW = 5;

const VIEWS: readonly View[] = [
  { name: "All", query: "" },
  { name: "Sold out", query: "inStock=false" },
  { name: "Running low", query: "inStock=true&sort=stock" },
  { name: "Newest", query: "sort=-createdAt" },
];

const COLUMNS: ColumnDef<Product>[] = [
  {
    id: "name",
    header: "Product",
    cell: ({ row: { original } }) => (
      <Link className="link" to={`/inventory/${original._id}`}>
        {original.name}
      </Link>
    ),
  },
  {
    id: "sku",
    header: "SKU",
    meta: { className: "extra" },
    cell: ({ row }) => <span className="mono muted">{row.original.sku}</span>,
  },
  { id: "category", header: "Category", meta: { className: "extra" }, cell: ({ row }) => row.original.category },
  {
    id: "state",
    header: "State",
    meta: { className: "extra" },
    cell: ({ row }) => <StateBadge product={row.original} />,
  },
  {
    id: "bar",
    header: "Held of on hand",
    meta: { className: "extra" },
    cell: ({ row }) => <StockBar product={row.original} />,
  },
  {
    id: "stock",
    header: "Available",
    meta: { className: "num" },
    cell: ({ row }) => <span className="strong">{count(row.original.stock)}</span>,
  },
  { id: "reserved", header: "Reserved", meta: { className: "num" }, cell: ({ row }) => count(row.original.reserved) },
  { id: "onHand", header: "On hand", meta: { className: "num" }, cell: ({ row }) => count(row.original.onHand) },
  {
    id: "price",
    header: "Price",
    meta: { className: "num extra" },
    cell: ({ row }) => money(row.original.price, row.original.currency),
  },
];

export function StateBadge({ product }: { product: Product }) {
  if (!product.isActive) return <Badge>Inactive</Badge>;
  if (product.stock === 0) return <Badge tone="bad">Sold out</Badge>;
  return product.stock <= LOW ? <Badge tone="warn">Low</Badge> : <Badge tone="good">In stock</Badge>;
}

export function Inventory() {
  useTitle("Inventory");
  const navigate = useNavigate();
  const [filters, change] = useFilters(NO_PRODUCT_FILTERS);
  const [search, setSearch] = useDraft(filters.search, (value) => change({ search: value }));
  const { data: names = [] } = useQuery(categories);
  const list = useInfiniteQuery(productList(filters));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data.products) ?? [], [list.data]);
  const fresh = useFreshRows("products");
  const isFiltered = filters.search !== "" || filters.category !== "" || filters.inStock !== "";
  const clear = () => change({ search: "", category: "", inStock: "" });
  return (
    <div className="page fills">
      <PageHead
        title="Inventory"
        lead={list.data === undefined ? " " : plural(list.data.pages[0]?.meta.total ?? 0, "product")}
      />
      <ViewBar screen="inventory" builtIn={VIEWS} />
      <FilterBar
        active={[filters.category, filters.inStock].filter((set) => set !== "").length}
        search={
          <SearchBox
            label="Search products"
            placeholder="Name, SKU, brand or tag"
            maxLength={200}
            value={search}
            onChange={setSearch}
          />
        }
        end={<TableOptions name="inventory" columns={COLUMNS} />}
      >
        <Select
          aria-label="Category"
          value={filters.category}
          onChange={(event) => change({ category: event.target.value })}
        >
          <option value="">Any category</option>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </Select>
        <Select
          aria-label="Availability"
          value={filters.inStock}
          onChange={(event) => change({ inStock: event.target.value })}
        >
          <option value="">Any stock</option>
          <option value="true">Available</option>
          <option value="false">Sold out</option>
        </Select>
        <Select aria-label="Order by" value={filters.sort} onChange={(event) => change({ sort: event.target.value })}>
          <option value="">{filters.search === "" ? "By name" : "Best match"}</option>
          <option value="stock">Least stock first</option>
          <option value="-stock">Most stock first</option>
          <option value="-price">Most expensive first</option>
          <option value="-createdAt">Newest first</option>
        </Select>
        {isFiltered && (
          <Button kind="ghost" icon="close" onClick={clear}>
            Clear
          </Button>
        )}
      </FilterBar>
      <Panel fills>
        {list.isPending && <Loading rows={10} label="Loading products" />}
        {list.isError && list.data === undefined && <Failed error={list.error} retry={() => void list.refetch()} />}
        {list.data !== undefined && (
          <DataTable<Product>
            label="Products"
            name="inventory"
            rows={rows}
            columns={COLUMNS}
            rowId={(product) => product._id}
            onOpen={(product) => void navigate(`/inventory/${product._id}`)}
            fresh={fresh}
            more={
              list.hasNextPage ? { loading: list.isFetchingNextPage, load: () => void list.fetchNextPage() } : undefined
            }
            empty={
              isFiltered ? (
                <Empty
                  icon="filter"
                  title="No product matches"
                  action={<Button onClick={clear}>Clear filters</Button>}
                />
              ) : (
                <Empty icon="inventory" title="The catalogue is empty">
                  Add products with the API, or start with SAMPLE_DATA=true.
                </Empty>
              )
            }
          />
        )}
      </Panel>
    </div>
  );
}
