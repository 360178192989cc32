import { useQuery } from "@tanstack/react-query";

import { products, unwrap } from "@/api/client";
import { demoOrder } from "@/lib/demoOrders";
import { Button } from "@/ui/controls";

import { RunProgress } from "./RunProgress";
import { useRun } from "./useRun";

const AMOUNTS = [1, 100, 10_000];

/** Everything that is sold, as it was when the page was opened. */
export const useGoods = () =>
  useQuery({
    queryKey: ["demo", "goods"],
    queryFn: async ({ signal }) => {
      const query = { limit: 200 };
      const answer = await unwrap(products.GET("/api/v1/products", { params: { query }, signal }));
      return answer.data.products.filter((product) => product.isActive);
    },
  });

export function LoadAct() {
  const { data: goods = [] } = useGoods();
  const { run, start, cancel } = useRun();
  const isBusy = run?.isOver === false;
  return (
    <section className="act">
      <h2>Place orders</h2>
      <p>
        Random carts from the whole catalogue, through the public API. Many of 10,000 will find the shelves empty: they
        are rejected whole.
      </p>
      <div className="does">
        {AMOUNTS.map((amount) => (
          <Button
            key={amount}
            kind={amount === 1 ? "primary" : "plain"}
            disabled={isBusy || goods.length === 0}
            onClick={() => void start(amount, () => demoOrder(goods))}
          >
            {amount.toLocaleString("en-US")}
          </Button>
        ))}
      </div>
      <RunProgress run={run} cancel={cancel} />
    </section>
  );
}
