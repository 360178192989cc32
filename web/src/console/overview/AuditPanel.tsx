import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { audit, type Audit, type AuditPart, type Finding } from "@/api/audit";
import { count, plural, time, words } from "@/lib/format";
import { Panel } from "@/ui/pieces";

const MOST_SHOWN = 8;

interface Said {
  /** A class of the light; none is grey. */
  light: "" | "clean" | "mismatch" | "running";
  title: string;
  text: string;
}

const WORDS: Record<string, Said> = {
  clean: { light: "clean", title: "Clean", text: "The books of both services balance." },
  mismatch: { light: "mismatch", title: "Mismatch", text: "Something does not add up." },
  running: { light: "running", title: "Running", text: "The first round since the start." },
  stale: { light: "running", title: "Stale", text: "No round has been finished for long." },
  standby: { light: "", title: "Standby", text: "Another instance does it." },
  off: { light: "", title: "Off", text: "It is switched off." },
};

/** Green is only an audit that has finished and found nothing. */
export function saidOf(found: Audit | undefined, failed: boolean): Said {
  if (failed) return { light: "", title: "Unknown", text: "The audit does not answer." };
  if (found === undefined) return { light: "", title: "…", text: "" };
  if (found === null) {
    return {
      light: "",
      title: "Not available",
      text: "This server runs no audit of its own. Run “holdfast audit” beside it.",
    };
  }
  return WORDS[found.status] ?? { light: "", title: words(found.status), text: "" };
}

export function AuditPanel() {
  const { data, isError } = useQuery(audit);
  const { light, title, text } = saidOf(data, isError);
  const findings = data?.reports.flatMap((report) => report.findings) ?? [];
  const total = data?.reports.reduce((sum, report) => sum + report.totalFindings, 0) ?? 0;
  return (
    <Panel title="Audit" padded>
      <div className="stack">
        <div className={`light ${light}`} role="status" data-audit={light || "none"}>
          <i /> <span className="strong">{title}</span>
        </div>
        <p className="muted">{text}</p>
        <dl className="facts">
          {data?.reports.flatMap((report) =>
            report.parts.map((part) => (
              <Part
                key={`${report.service} ${part.name}`}
                name={`${words(report.service)}, ${part.name}`}
                part={part}
              />
            )),
          )}
        </dl>
        {findings.length > 0 && (
          <ul className="stack" aria-label="Findings">
            {findings.slice(0, MOST_SHOWN).map((finding) => (
              <Found key={finding.message} finding={finding} />
            ))}
          </ul>
        )}
        {total > MOST_SHOWN && <p className="bad">and {plural(total - MOST_SHOWN, "more finding")}</p>}
      </div>
    </Panel>
  );
}

function Part({ name, part: { status, finishedAt, checked } }: { name: string; part: AuditPart }) {
  const looked = Object.entries(checked).map(([what, n]) => `${count(n)} ${what}`);
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {words(status)}
        {finishedAt !== undefined && <span className="muted">, {time(finishedAt)}</span>}
        {looked.length > 0 && <div className="muted">{looked.join(", ")}</div>}
      </dd>
    </>
  );
}

function Found({ finding: { product, order, message } }: { finding: Finding }) {
  const to = order !== undefined ? `/orders/${order}` : product !== undefined ? `/inventory/${product}` : undefined;
  return (
    <li className="bad">
      {message}{" "}
      {to !== undefined && (
        <Link className="link" to={to}>
          look
        </Link>
      )}
    </li>
  );
}
