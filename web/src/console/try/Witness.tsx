import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { groupList, parkedIn } from "@/api/operator";
import { audit } from "@/api/audit";
import { metrics } from "@/api/system";
import { saidOf } from "@/console/overview/AuditPanel";
import { count, duration } from "@/lib/format";
import { total } from "@/lib/metrics";
import { usePulse } from "@/live/context";
import { quantile } from "@/live/pulse";
import { Stat } from "@/ui/pieces";

/** What shows that nothing breaks. */
export function Witness({ isPaused }: { isPaused: boolean }) {
  const pulse = usePulse();
  const { data: numbers } = useQuery({ ...metrics, refetchInterval: 1_000 });
  const { data: groups } = useQuery({ ...groupList, refetchInterval: 1_000 });
  const books = useQuery(audit);
  const said = saidOf(books.data, books.isError);
  const lag = groups?.items.reduce((sum, group) => sum + group.lag, 0);
  const placed = total(numbers, "orders_created_total");
  const decided = (outcome: string) => total(numbers, "orders_stock_decided_total", { outcome });
  const parked = parkedIn(groups);
  const p99 = quantile(pulse.times, 0.99);
  return (
    <div className="stats">
      <Stat name="Placed" value={count(placed)} note="since the server's start" />
      <Stat name="Stock held" value={count(decided("reserved"))} note="all of an order's lines" />
      <Stat name="Sold out" value={count(decided("rejected"))} note="rejected as a whole" />
      <Stat
        name="Consumer lag"
        value={lag === undefined ? "–" : count(lag)}
        note={
          isPaused ? (
            <span className="bad">consumer paused</span>
          ) : p99 === undefined ? (
            "messages"
          ) : (
            `p99 ${duration(p99)}`
          )
        }
      />
      <Stat
        name="Dead letters"
        value={parked === undefined ? "–" : count(parked)}
        note={
          <Link className="link" to="/dead-letters">
            look at them
          </Link>
        }
      />
      <Stat
        name="Audit"
        value={
          <span className={`light small ${said.light}`}>
            <i /> {said.title}
          </span>
        }
        note={said.light === "" ? "not watching" : "of all books"}
      />
    </div>
  );
}
