/** Is it well, how busy is it, and what just happened. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { groupList } from "@/api/operator";
import { recentOrders } from "@/api/orders";
import { soldOutCount } from "@/api/products";
import { metrics } from "@/api/system";
import { count, duration, plural, rate } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { total } from "@/lib/metrics";
import { usePulse, useSeed } from "@/live/context";
import { quantile } from "@/live/pulse";
import { PageHead, Stat } from "@/ui/pieces";

import { Activity } from "./Activity";
import { Health } from "./Health";
import { Throughput } from "./Throughput";

/** A rate over the last seconds, so that it neither jumps nor lags. */
const RATE_SECONDS = 10;

export function Overview() {
  useTitle("Overview");
  const { data: recent } = useQuery(recentOrders);
  useSeed(recent);
  const pulse = usePulse();
  const { data: numbers } = useQuery(metrics);
  const { data: groups } = useQuery(groupList);
  const { data: soldOut } = useQuery({ ...soldOutCount, refetchInterval: 10_000 });
  const lag = groups?.items.reduce((sum, group) => sum + group.lag, 0);
  const perSecond = pulse.placed.slice(-RATE_SECONDS - 1, -1).reduce((sum, n) => sum + n, 0) / RATE_SECONDS;
  const [p50, p99] = [quantile(pulse.times, 0.5), quantile(pulse.times, 0.99)];
  const rejected = total(numbers, "orders_stock_decided_total", { outcome: "rejected" });
  return (
    <div className="page">
      <PageHead title="Overview" lead="The running system, live." />
      <div className="stats">
        <Stat
          name="Orders a second"
          value={rate(perSecond)}
          note={numbers === undefined ? " " : `${count(total(numbers, "orders_created_total"))} since the start`}
        />
        <Stat
          name="Time to decided, p50"
          value={p50 === undefined ? "–" : duration(p50)}
          note={pulse.times.length === 0 ? "no order yet" : `of the last ${plural(pulse.times.length, "order")}`}
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
          <Throughput />
          <Activity events={pulse.events} />
        </div>
        <Health />
      </div>
    </div>
  );
}
