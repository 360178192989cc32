import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { ServiceName } from "@/api/client";
import { groupList, parkedIn } from "@/api/operator";
import { metrics, readiness } from "@/api/system";
import { count, plural, words } from "@/lib/format";
import { total } from "@/lib/metrics";
import { useLiveState } from "@/live/context";
import { Panel } from "@/ui/pieces";

import { AuditPanel } from "./AuditPanel";

/** Services, consumers, dead letters and the audit: green only where it was looked at and is well. */
export function Health() {
  const { data: groups, isError: isUnknown } = useQuery(groupList);
  const { data: numbers } = useQuery(metrics);
  const live = useLiveState();
  const parked = parkedIn(groups);
  return (
    <div className="grid">
      <AuditPanel />
      <Panel title="Health" padded>
        <dl className="facts">
          <Ready service="orders" />
          <Ready service="products" />
          <dt>Live updates</dt>
          <dd className="row">
            <span className={`dot ${live === "live" ? "good" : "bad"}`} />
            {words(live)}
            {numbers !== undefined && (
              <span className="muted">· {plural(total(numbers, "live_sockets"), "client")}</span>
            )}
          </dd>
          <dt>Dead letters</dt>
          <dd className="row">
            <span className={`dot ${parked === undefined ? "" : parked > 0 ? "bad" : "good"}`} />
            <Link className="link" to="/dead-letters">
              {parked === undefined ? (isUnknown ? "unknown" : "…") : parked === 0 ? "none" : count(parked)}
            </Link>
          </dd>
          {groups?.items.map((group) => (
            <GroupLag key={group.group} name={group.service} lag={group.lag} />
          ))}
        </dl>
      </Panel>
    </div>
  );
}

function GroupLag({ name, lag }: { name: string; lag: number }) {
  return (
    <>
      <dt>{words(name)} is behind</dt>
      <dd className="row">
        <span className={`dot ${lag > 0 ? "warn" : "good"}`} />
        {plural(lag, "message")}
      </dd>
    </>
  );
}

function Ready({ service }: { service: ServiceName }) {
  const { data, isError } = useQuery(readiness(service));
  const tone = data?.ready === true ? "good" : data !== undefined || isError ? "bad" : "";
  return (
    <>
      <dt>{words(service)}</dt>
      <dd className="row">
        <span className={`dot ${tone}`} />
        {data?.ready === true ? "Ready" : isError ? "Does not answer" : data === undefined ? "…" : data.problem}
      </dd>
    </>
  );
}
