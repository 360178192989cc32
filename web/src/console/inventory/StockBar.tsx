import type { Product } from "@/api/products";

/** Which share of what is there is held. */
export function StockBar({ product }: { product: Pick<Product, "stock" | "reserved" | "onHand"> }) {
  const { stock, reserved, onHand } = product;
  const share = onHand === 0 ? 0 : (100 * reserved) / onHand;
  return (
    <div className="bar stock-bar" role="img" aria-label={`${reserved} of ${onHand} held`}>
      <i className="held" style={{ width: `${share}%` }} />
      <i style={{ width: `${stock === 0 ? 0 : 100 - share}%` }} />
    </div>
  );
}
