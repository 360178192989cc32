import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { productOne, type Product } from "@/api/products";
import { count, money } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Button, Stepper } from "@/ui/controls";
import { Badge, Failed, Loading } from "@/ui/pieces";
import { useToast } from "@/ui/toast";

import { Art } from "./Art";
import { Related } from "./Related";
import { quantityOf, setQuantity, useShopper } from "./shopper";
import { StockWord } from "./StockWord";

export function ProductView() {
  const { id = "" } = useParams();
  const { data: product, error, isPending, refetch } = useQuery(productOne(id));
  useTitle(product?.name ?? "Product");
  return (
    <div className="shop-page">
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link to="/shop">Products</Link> /
        {product?.category != null && (
          <span>
            <Link to={`/shop?category=${encodeURIComponent(product.category)}`}>{product.category}</Link> /
          </span>
        )}
      </nav>
      {isPending && <Loading rows={8} label="Loading the product" />}
      {error !== null && product === undefined && <Failed error={error} retry={() => void refetch()} />}
      {product !== undefined && (
        <div className="product">
          <Art category={product.category} isGone={product.stock === 0} />
          <div className="side">
            <div className="stack">
              <h1>{product.name}</h1>
              <span className="muted">
                {product.brand}{" "}
                {product.rating != null && `· ★ ${product.rating} from ${count(product.reviewCount)} reviews`}
              </span>
            </div>
            <span className="price">{money(product.price, product.currency)}</span>
            <p>{product.description}</p>
            <div className="row wrap">
              {product.tags.map((tag) => (
                <Badge key={tag}>{tag}</Badge>
              ))}
            </div>
            <StockWord product={product} />
            <Buy product={product} />
          </div>
        </div>
      )}
      {product !== undefined && <Related product={product} />}
    </div>
  );
}

function Buy({ product }: { product: Product }) {
  const navigate = useNavigate();
  const notify = useToast();
  const { cart } = useShopper();
  const [wanted, setWanted] = useState(1);
  const inCart = quantityOf(cart, product._id);
  const left = product.stock - inCart;
  const quantity = Math.min(wanted, Math.max(left, 1));
  if (!product.isActive || left <= 0) {
    return (
      <div className="callout warn">
        {inCart > 0
          ? `All ${count(inCart)} that are left are in your cart.`
          : "There is none left. Look again later: the count above is live."}
      </div>
    );
  }
  const add = () => {
    setQuantity(product, inCart + quantity);
    setWanted(1);
    notify({ title: `${count(quantity)} × ${product.name}`, text: "is in your cart" });
  };
  return (
    <div className="row wide wrap">
      <Stepper label="Quantity" value={quantity} max={left} onChange={setWanted} />
      <Button kind="primary" size="large" icon="cart" onClick={add}>
        Add to cart
      </Button>
      {inCart > 0 && (
        <Button size="large" onClick={() => void navigate("/shop/cart")}>
          Go to the cart ({count(inCart)})
        </Button>
      )}
    </div>
  );
}
