/** Is it well, how busy is it, and what just happened. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { groupList } from "@/api/operator";
import { soldOutCount } from "@/api/products";
import { metrics } from "@/api/system";
import { count, duration, plural, rate } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { total } from "@/lib/metrics";
import { usePulse } from "@/live/context";
import { quantile, WINDOW, type Pulse } from "@/live/pulse";
import { Chart } from "@/ui/Chart";
import { PageHead, Panel, Stat } from "@/ui/pieces";

import { Activity } from "./Activity";
import { Health } from "./Health";

/** A rate over the last seconds, so that it neither jumps nor lags. */
const RATE_SECONDS = 10;

export function Overview() {
  useTitle("Overview");
  const pulse = usePulse();
  const { data: numbers } = useQuery(metrics);
  const { data: groups } = useQuery(groupList);
  const { data: soldOut } = useQuery({ ...soldOutCount, refetchInterval: 10_000 });
  const lag = groups?.items.reduce((sum, group) => sum + group.lag, 0);
  const recent = pulse.placed.slice(-RATE_SECONDS - 1, -1).reduce((sum, n) => sum + n, 0) / RATE_SECONDS;
  const [p50, p99] = [quantile(pulse.times, 0.5), quantile(pulse.times, 0.99)];
  const rejected = total(numbers, "orders_stock_decided_total", { outcome: "rejected" });
  return (
    <div className="page">
      <PageHead title="Overview" lead="The running system, live." />
      <div className="stats">
        <Stat
          name="Orders a second"
          value={rate(recent)}
          note={numbers === undefined ? " " : `${count(total(numbers, "orders_created_total"))} since the start`}
        />
        <Stat
          name="Time to decided, p50"
          value={p50 === undefined ? "–" : duration(p50)}
          note={
            pulse.times.length === 0 ? "no order since you came" : `of the last ${plural(pulse.times.length, "order")}`
          }
        />
        <Stat
          name="Time to decided, p99"
          value={p99 === undefined ? "–" : duration(p99)}
          note="accepted to stock held"
        />
        <Stat
          name="Stock-outs"
          value={numbers === undefined ? "–" : count(rejected)}
          note={
            soldOut === undefined ? (
              " "
            ) : (
              <Link className="link" to="/inventory?inStock=false">
                {plural(soldOut, "product")} sold out
              </Link>
            )
          }
        />
        <Stat
          name="Consumer lag"
          value={lag === undefined ? "–" : count(lag)}
          note={
            <Link className="link" to="/groups">
              messages not taken in
            </Link>
          }
        />
      </div>
      <div className="grid two">
        <div className="grid">
          <Panel title="Orders placed and rejected, each second" aside={<Legend />}>
            <div className="panel-body">
              <Throughput pulse={pulse} />
            </div>
          </Panel>
          <Activity events={pulse.events} />
        </div>
        <Health />
      </div>
    </div>
  );
}

function Legend() {
  return (
    <span className="row muted">
      <span className="dot legend-placed" /> placed <span className="dot legend-rejected" /> rejected
    </span>
  );
}

function Throughput({ pulse: { second, placed, rejected } }: { pulse: Pulse }) {
  const times = placed.map((_, index) => second - WINDOW + 1 + index);
  return (
    <Chart
      label={`Orders placed in the last ${WINDOW} seconds: ${placed.reduce((sum, n) => sum + n, 0)}`}
      times={times}
      height={190}
      series={[
        { label: "placed", color: "--accent", values: placed, bars: true },
        { label: "rejected", color: "--bad-strong", values: rejected, bars: true },
      ]}
    />
  );
}
