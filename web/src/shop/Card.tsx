import { Link } from "react-router";

import type { Product } from "@/api/products";
import { money } from "@/lib/format";
import { Button } from "@/ui/controls";
import { useToast } from "@/ui/toast";

import { Art } from "./Art";
import { quantityOf, setQuantity, useShopper } from "./shopper";
import { StockWord } from "./StockWord";

/** A product on the shelf. */
export function Card({ product }: { product: Product }) {
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
