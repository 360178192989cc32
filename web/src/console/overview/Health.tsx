import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { ServiceName } from "@/api/client";
import { groupList, letterList } from "@/api/operator";
import { audit, metrics, readiness, type Audit } from "@/api/system";
import { count, plural, time, words } from "@/lib/format";
import { total } from "@/lib/metrics";
import { useLiveState } from "@/live/context";
import { Panel } from "@/ui/pieces";

/** Services, consumers, dead letters and the audit: green only where it was looked at and is well. */
export function Health() {
  const { data: letters } = useQuery(letterList);
  const { data: groups } = useQuery(groupList);
  const { data: numbers } = useQuery(metrics);
  const live = useLiveState();
  const parked = letters?.items.length;
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
              {parked === undefined ? "…" : parked === 0 ? "none" : count(parked)}
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

interface Said {
  light: string;
  title: string;
  text: string;
}

/** Green is only a finished audit that found nothing. */
export function saidOf(found: Audit | null | undefined, failed: boolean): Said {
  if (failed) return { light: "", title: "Unknown", text: "The audit does not answer." };
  if (found === undefined) return { light: "", title: "…", text: "" };
  if (found === null) {
    return {
      light: "",
      title: "Not available",
      text: "This server runs no audit of its own. Run `holdfast audit` beside it.",
    };
  }
  const when = found.checkedAt === undefined ? "" : ` Checked ${time(found.checkedAt)}.`;
  const text = `${found.summary ?? ""}${when}`;
  if (found.status === "clean") return { light: "clean", title: "Clean", text: text || "The books balance." };
  if (found.status === "mismatch")
    return { light: "mismatch", title: "Mismatch", text: text || "The books do not balance." };
  if (found.status === "running")
    return { light: "running", title: "Running", text: text || "The books are being compared." };
  return { light: "", title: words(found.status), text };
}

function AuditPanel() {
  const { data, isError } = useQuery(audit);
  const { light, title, text } = saidOf(data, isError);
  return (
    <Panel title="Audit" padded>
      <div className="stack">
        <div className={`light ${light}`} role="status" data-audit={light || "none"}>
          <i /> <span className="strong">{title}</span>
        </div>
        <p className="muted">{text}</p>
      </div>
    </Panel>
  );
}
