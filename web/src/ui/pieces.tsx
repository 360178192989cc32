/** Panels, states and small displays. */
import type { ReactNode } from "react";
import { Link } from "react-router";

import { ApiProblem, messageOf } from "@/api/problem";

import { Button } from "./controls";
import { Icon, type IconName } from "./Icon";

export type Tone = "good" | "warn" | "bad" | "info" | "violet" | "accent" | "quiet";

export function Badge({ tone = "quiet", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

interface PanelProps {
  title?: ReactNode;
  aside?: ReactNode;
  padded?: boolean;
  /** Takes the height that the page has left: for a table that scrolls by itself. */
  fills?: boolean;
  children: ReactNode;
}

export function Panel({ title, aside, padded = false, fills = false, children }: PanelProps) {
  return (
    <section className={fills ? "panel fills" : "panel"}>
      {title !== undefined && (
        <header className="panel-head">
          <h2>{title}</h2>
          {aside !== undefined && <div className="aside row">{aside}</div>}
        </header>
      )}
      {padded ? <div className="panel-body">{children}</div> : children}
    </section>
  );
}

interface PageHeadProps {
  title: ReactNode;
  lead?: ReactNode;
  crumbs?: { to: string; label: string }[];
  children?: ReactNode;
}

export function PageHead({ title, lead, crumbs = [], children }: PageHeadProps) {
  return (
    <header className="page-head">
      <div>
        {crumbs.length > 0 && (
          <nav className="crumbs" aria-label="Breadcrumb">
            {crumbs.map((crumb) => (
              <span key={crumb.to}>
                <Link to={crumb.to}>{crumb.label}</Link> /
              </span>
            ))}
          </nav>
        )}
        <h1>{title}</h1>
        {lead !== undefined && <p className="lead">{lead}</p>}
      </div>
      {children !== undefined && <div className="actions">{children}</div>}
    </header>
  );
}

interface EmptyProps {
  icon?: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

export function Empty({ icon = "box", title, children, action }: EmptyProps) {
  return (
    <div className="state">
      <span className="mark">
        <Icon name={icon} size={20} />
      </span>
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action}
    </div>
  );
}

export function Failed({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const problem = error instanceof ApiProblem ? error : undefined;
  const heading =
    title ?? (problem?.status === 404 ? "Not found" : problem?.status === 0 ? "No connection" : "This did not work");
  return (
    <div className="state failed" role="alert">
      <span className="mark">
        <Icon name="warning" size={20} />
      </span>
      <h2>{heading}</h2>
      <p>{messageOf(error)}</p>
      {problem?.requestId !== undefined && <p className="mono muted">request {problem.requestId}</p>}
      {retry !== undefined && (
        <Button icon="refresh" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

interface LoadingProps {
  rows?: number;
  label?: string;
  /** Why the last attempt failed, while another one is made. */
  problem?: Error | null;
}

export function Loading({ rows = 6, label = "Loading", problem = null }: LoadingProps) {
  return (
    <div className="panel-body stack" role="status" aria-label={label}>
      {problem !== null && <p className="muted">{messageOf(problem)}. Trying again…</p>}
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="skeleton" style={{ width: `${96 - ((index * 17) % 48)}%` }} />
      ))}
    </div>
  );
}

export function Stat({ name, value, unit, note }: { name: string; value: ReactNode; unit?: string; note?: ReactNode }) {
  return (
    <div className="stat">
      <span className="name">{name}</span>
      <span className="value">
        {value} {unit !== undefined && <small>{unit}</small>}
      </span>
      {note !== undefined && <span className="note">{note}</span>}
    </div>
  );
}
