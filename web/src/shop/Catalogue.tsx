/** What there is to buy. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";

import { categories, NO_PRODUCT_FILTERS, productList, type Product } from "@/api/products";
import { money, plural } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { Button, Input, SearchBox, Select } from "@/ui/controls";
import { Empty, Failed, Loading } from "@/ui/pieces";
import { useToast } from "@/ui/toast";

import { Art } from "./Art";
import { quantityOf, setQuantity, useShopper } from "./shopper";
import { StockWord } from "./StockWord";

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
  return (
    <div className="filters" role="search">
      <SearchBox label="Search products" placeholder="Search" maxLength={200} value={search} onChange={setSearch} />
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
    </div>
  );
}

function Card({ product }: { product: Product }) {
  const { cart } = useShopper();
  const notify = useToast();
  const inCart = quantityOf(cart, product._id);
  const canBuy = product.isActive && product.stock > inCart;
  const add = () => {
    setQuantity(product, inCart + 1);
    notify({ title: `${product.name} is in your cart` });
  };
  return (
    <li className="card">
      <Link to={`/shop/products/${product._id}`} tabIndex={-1} aria-hidden="true">
        <Art category={product.category} isGone={product.stock === 0} />
      </Link>
      <div className="about">
        <Link className="name" to={`/shop/products/${product._id}`}>
          {product.name}
        </Link>
        <span className="muted">{product.brand ?? product.category}</span>
        <StockWord product={product} />
      </div>
      <div className="buy">
        <span className="price">{money(product.price, product.currency)}</span>
        <Button
          size="small"
          icon="cart"
          disabled={!canBuy}
          aria-label={`Add ${product.name} to the cart`}
          onClick={add}
        >
          {inCart > 0 ? `In cart: ${inCart}` : "Add"}
        </Button>
      </div>
    </li>
  );
}
