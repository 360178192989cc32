/** Panels, states and small displays. */
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { ApiProblem, messageOf } from "@/api/problem";
import { exactTime, time } from "@/lib/format";

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
  children: ReactNode;
}

export function Panel({ title, aside, padded = false, children }: PanelProps) {
  return (
    <section className="panel">
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

export function Loading({ rows = 6, label = "Loading" }: { rows?: number; label?: string }) {
  return (
    <div className="panel-body stack" role="status" aria-label={label}>
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

export function Time({ at, exact = false }: { at: string; exact?: boolean }) {
  return (
    <time dateTime={at} title={at}>
      {exact ? exactTime(at) : time(at)}
    </time>
  );
}

/** A text that one click copies. */
export function Copy({ text, children }: { text: string; children?: ReactNode }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    // Over http from another machine there is no clipboard.
    if (!("clipboard" in navigator)) return;
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_200);
  };
  return (
    <button type="button" className="copy mono" title={`Copy ${text}`} onClick={() => void copy()}>
      {children ?? text}
      <Icon name={copied ? "check" : "copy"} size={12} />
      {copied && (
        <span className="hidden-text" role="status">
          Copied
        </span>
      )}
    </button>
  );
}

/** JSON with its parts coloured; anything else as it is. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const parts =
    typeof value === "string"
      ? [text]
      : text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/g);
  return (
    // A part that scrolls can be reached with the keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre className="code" tabIndex={0} role="region" aria-label={label}>
      {parts.map((part, index) => {
        const kind =
          part.endsWith(":") && part.startsWith('"')
            ? "k"
            : part.startsWith('"')
              ? "s"
              : /^[-\dtfn]/.test(part)
                ? "n"
                : "";
        return kind === "" ? (
          part
        ) : (
          <span key={index} className={kind}>
            {part}
          </span>
        );
      })}
    </pre>
  );
}
