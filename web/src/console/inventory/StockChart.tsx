import { useMemo } from "react";

import type { Movement } from "@/api/products";
import { count } from "@/lib/format";
import { balancesOf } from "@/lib/balances";
import { Chart } from "@/ui/Chart";
import { Empty, Loading } from "@/ui/pieces";

/** What the movements that are loaded say of the balances after each of them. */
export function StockChart({ movements, isLoading }: { movements: readonly Movement[]; isLoading: boolean }) {
  const { times, stock, onHand } = useMemo(() => balancesOf(movements), [movements]);
  if (isLoading) return <Loading rows={5} label="Loading the chart" />;
  if (times.length < 2) return <Empty icon="overview" title="Too little has happened for a line" />;
  return (
    <Chart
      label={`Available stock over the last ${times.length} changes, now ${stock.at(-1) ?? 0}`}
      times={times}
      height={200}
      format={count}
      series={[
        { label: "on hand", color: "--line-strong", values: onHand, steps: true },
        { label: "available", color: "--accent", values: stock, steps: true, fill: true },
      ]}
    />
  );
}
