import { useInfiniteQuery } from "@tanstack/react-query";

import { NO_PRODUCT_FILTERS, productList, type Product } from "@/api/products";

import { Card } from "./Card";

const SHOWN = 5;

/** More of the same category that can be bought now. */
export function Related({ product }: { product: Product }) {
  const category = product.category ?? "";
  const { data } = useInfiniteQuery({
    ...productList({ ...NO_PRODUCT_FILTERS, category, inStock: "true", sort: "-rating" }),
    enabled: category !== "",
  });
  const others = data?.pages[0]?.data.products.filter((other) => other._id !== product._id).slice(0, SHOWN) ?? [];
  if (others.length === 0) return null;
  return (
    <section className="related">
      <h2>More in {category}</h2>
      <ul className="shelf">
        {others.map((other) => (
          <Card key={other._id} product={other} />
        ))}
      </ul>
    </section>
  );
}
