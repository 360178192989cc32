import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { productOne } from "@/api/products";
import { saleOrder } from "@/lib/demoOrders";
import { count } from "@/lib/format";
import { Button, Field, Select } from "@/ui/controls";

import { useGoods } from "./LoadAct";
import { RunProgress } from "./RunProgress";
import { useRun } from "./useRun";

/** So many more want it than there is. */
const CROWD = 3;
const FEWEST = 60;
const MOST = 1_500;

export function SaleAct() {
  const { data: goods = [] } = useGoods();
  const [chosen, setChosen] = useState("");
  const id = chosen || (goods.find((product) => product.stock > 0)?._id ?? "");
  const { data: product } = useQuery({ ...productOne(id), enabled: id !== "" });
  const { run, start, cancel } = useRun();
  const crowd = Math.min(MOST, Math.max(FEWEST, (product?.stock ?? 0) * CROWD));
  return (
    <section className="act">
      <h2>Flash sale</h2>
      <p>{count(crowd)} customers want one of the same product at once. Exactly as many get it as there are.</p>
      <Field label="Product">
        {(field) => (
          <Select {...field} value={id} onChange={(event) => setChosen(event.target.value)}>
            {goods.map((item) => (
              <option key={item._id} value={item._id}>
                {item.name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {product !== undefined && (
        <p role="status">
          <span className="strong">{count(product.stock)}</span> available, {count(product.reserved)} held of{" "}
          {count(product.onHand)} ·{" "}
          <Link className="link" to={`/inventory/${product._id}`}>
            its ledger
          </Link>
        </p>
      )}
      <div className="does">
        <Button
          kind="primary"
          disabled={product === undefined || run?.isOver === false}
          onClick={() => product !== undefined && void start(crowd, () => saleOrder(product))}
        >
          Open the sale
        </Button>
      </div>
      <RunProgress run={run} cancel={cancel} />
    </section>
  );
}
