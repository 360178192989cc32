/** What there is to buy. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { categories, NO_PRODUCT_FILTERS, productList } from "@/api/products";
import { plural } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { Button, Input, SearchBox, Select } from "@/ui/controls";
import { FilterBar } from "@/ui/FilterBar";
import { Empty, Failed, Loading } from "@/ui/pieces";

import { Card } from "./Card";

export function Catalogue() {
  useTitle("Shop");
  const [filters, change] = useFilters(NO_PRODUCT_FILTERS);
  const list = useInfiniteQuery(productList(filters));
  const products = useMemo(() => list.data?.pages.flatMap((page) => page.data.products) ?? [], [list.data]);
  const total = list.data?.pages[0]?.meta.total ?? 0;
  return (
    <div className="shop-page">
      <header className="page-head">
        <div>
          <h1>{filters.category || "Everything"}</h1>
          <p className="lead">{list.data === undefined ? " " : `${plural(total, "product")}; the counts are live.`}</p>
        </div>
      </header>
      <Filters filters={filters} change={change} />
      {list.isPending && <Loading rows={12} label="Loading products" />}
      {list.isError && list.data === undefined && <Failed error={list.error} retry={() => void list.refetch()} />}
      {list.data !== undefined && products.length === 0 && (
        <Empty
          icon="search"
          title="Nothing matches"
          action={<Button onClick={() => change(NO_PRODUCT_FILTERS)}>Show everything</Button>}
        >
          Try fewer words, or a wider price range.
        </Empty>
      )}
      <ul className="shelf">
        {products.map((product) => (
          <Card key={product._id} product={product} />
        ))}
      </ul>
      {list.hasNextPage && (
        <div className="row">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}

type Filtered = typeof NO_PRODUCT_FILTERS;

function Filters({ filters, change }: { filters: Filtered; change: (changes: Partial<Filtered>) => void }) {
  const { data: names = [] } = useQuery(categories);
  const [search, setSearch] = useDraft(filters.search, (value) => change({ search: value }));
  const [minPrice, setMinPrice] = useDraft(filters.minPrice, (value) => change({ minPrice: value }));
  const [maxPrice, setMaxPrice] = useDraft(filters.maxPrice, (value) => change({ maxPrice: value }));
  const active = [filters.category, filters.minPrice, filters.maxPrice, filters.inStock].filter(Boolean).length;
  return (
    <FilterBar
      active={active}
      search={
        <SearchBox label="Search products" placeholder="Search" maxLength={200} value={search} onChange={setSearch} />
      }
    >
      <Select
        aria-label="Category"
        value={filters.category}
        onChange={(event) => change({ category: event.target.value })}
      >
        <option value="">All categories</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </Select>
      <Input
        className="price-input"
        type="number"
        min={0}
        aria-label="Lowest price"
        placeholder="From"
        value={minPrice}
        onChange={(e) => setMinPrice(e.target.value)}
      />
      <Input
        className="price-input"
        type="number"
        min={0}
        aria-label="Highest price"
        placeholder="To"
        value={maxPrice}
        onChange={(e) => setMaxPrice(e.target.value)}
      />
      <Select aria-label="Order by" value={filters.sort} onChange={(event) => change({ sort: event.target.value })}>
        <option value="">{filters.search === "" ? "By name" : "Best match"}</option>
        <option value="price">Cheapest first</option>
        <option value="-price">Most expensive first</option>
        <option value="-rating">Best rated first</option>
      </Select>
      <label className="row">
        <input
          className="checkbox"
          type="checkbox"
          checked={filters.inStock === "true"}
          onChange={(event) => change({ inStock: event.target.checked ? "true" : "" })}
        />
        In stock only
      </label>
    </FilterBar>
  );
}
