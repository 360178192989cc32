/** One product's stock: why it is what it is. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";

import { productHolds, productMovements, productOne } from "@/api/products";
import { ApiProblem } from "@/api/problem";
import { count, money } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Button } from "@/ui/controls";
import { Copy } from "@/ui/Copy";
import { Failed, Loading, PageHead, Panel, Stat } from "@/ui/pieces";
import { Tabs } from "@/ui/Tabs";

import { Adjust } from "./Adjust";
import { Holds } from "./Holds";
import { StateBadge } from "./Inventory";
import { Movements } from "./Movements";
import { StockChart } from "./StockChart";
import { Why } from "./Why";

const CRUMBS = [{ to: "/inventory", label: "Inventory" }];

export function ProductPage() {
  const { id = "" } = useParams();
  const asked = useQuery(productOne(id));
  const holds = useInfiniteQuery(productHolds(id));
  const movements = useInfiniteQuery(productMovements(id));
  const [tab, setTab] = useState("holds");
  const [adjusting, setAdjusting] = useState(false);
  const product = asked.data;
  useTitle(product?.name ?? "Product");
  const moved = movements.data?.pages.flatMap((page) => page.data.movements) ?? [];
  const held = holds.data?.pages.flatMap((page) => page.data.holds) ?? [];
  // Of a deleted product the ledger stays.
  const isGone = asked.error instanceof ApiProblem && asked.error.status === 404 && moved.length > 0;
  if (product === undefined && !isGone) {
    return (
      <div className="page">
        <PageHead title="Product" crumbs={CRUMBS} />
        <Panel>
          {asked.isError ? <Failed error={asked.error} retry={() => void asked.refetch()} /> : <Loading rows={8} />}
        </Panel>
      </div>
    );
  }
  return (
    <div className="page">
      {product === undefined ? (
        <PageHead title={moved[0]?.productName ?? id} crumbs={CRUMBS} lead="Deleted. Its ledger stays." />
      ) : (
        <PageHead
          title={product.name}
          crumbs={CRUMBS}
          lead={
            <span className="row wrap">
              <StateBadge product={product} /> {money(product.price, product.currency)} ·{" "}
              {product.category ?? "no category"} · <Copy text={product._id} />
            </span>
          }
        >
          <Button kind="primary" onClick={() => setAdjusting(true)}>
            Adjust stock
          </Button>
        </PageHead>
      )}
      {product !== undefined && (
        <>
          <div className="stats">
            <Stat name="Available" value={count(product.stock)} note="can be sold" />
            <Stat name="Reserved" value={count(product.reserved)} note="held for orders" />
            <Stat name="On hand" value={count(product.onHand)} note="available and reserved" />
          </div>
          <div className="grid two">
            <Panel title="Stock over time" padded>
              <StockChart movements={moved} isLoading={movements.isPending} />
            </Panel>
            <Why product={product} holds={held} movements={moved} />
          </div>
        </>
      )}
      <Panel>
        <Tabs
          label="Ledger"
          value={tab}
          onChange={setTab}
          tabs={[
            {
              value: "holds",
              label: `Open holds${holds.data === undefined ? "" : ` (${held.length}${holds.hasNextPage ? "+" : ""})`}`,
              content: <Holds query={holds} holds={held} />,
            },
            { value: "movements", label: "Movements", content: <Movements query={movements} movements={moved} /> },
          ]}
        />
      </Panel>
      {adjusting && product !== undefined && <Adjust product={product} onClose={() => setAdjusting(false)} />}
    </div>
  );
}
