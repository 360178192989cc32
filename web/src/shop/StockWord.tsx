import type { Product } from "@/api/products";
import { count } from "@/lib/format";

const FEW = 10;

/** How many are left, in the customer's words. */
export function StockWord({ product }: { product: Pick<Product, "stock" | "isActive"> }) {
  const { stock, isActive } = product;
  const [tone, text] = !isActive
    ? ["", "Not sold any more"]
    : stock === 0
      ? ["bad", "Sold out"]
      : stock <= FEW
        ? ["warn", `Only ${count(stock)} left`]
        : ["good", `${count(stock)} in stock`];
  return (
    <span className="left-over">
      <span className={`dot ${tone}`} />
      {text}
    </span>
  );
}
