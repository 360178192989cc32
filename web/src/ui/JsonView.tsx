/** JSON as a tree that opens and closes, with the orders and products that it names as links; anything else as it is. */
import { useState } from "react";
import { Link } from "react-router";

import { placeOf } from "@/lib/messages";

import { Button } from "./controls";
import { CopyButton } from "./Copy";

/** So deep it is open at first: all of an event. */
const OPEN_DEPTH = 4;

export function JsonView({ value, label }: { value: unknown; label: string }) {
  const [isRaw, setRaw] = useState(false);
  // A new key builds the tree anew: all open, or all closed.
  const [opened, setOpened] = useState({ round: 0, depth: OPEN_DEPTH });
  const isTree = typeof value === "object" && value !== null;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const open = (depth: number) => setOpened(({ round }) => ({ round: round + 1, depth }));
  return (
    <div className="json">
      <div className="json-tools">
        {isTree && !isRaw && (
          <>
            <Button size="small" kind="ghost" onClick={() => open(Infinity)}>
              Open all
            </Button>
            <Button size="small" kind="ghost" onClick={() => open(1)}>
              Close all
            </Button>
          </>
        )}
        {isTree && (
          <Button size="small" kind="ghost" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>
            As text
          </Button>
        )}
        <CopyButton text={text}>Copy</CopyButton>
      </div>
      {/* A part that scrolls can be reached with the keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="code" tabIndex={0} role="region" aria-label={label}>
        {isTree && !isRaw ? (
          <Node key={opened.round} name="" value={value} depth={0} openDepth={opened.depth} />
        ) : (
          <pre>{text}</pre>
        )}
      </div>
    </div>
  );
}

interface NodeProps {
  name: string;
  value: unknown;
  depth: number;
  openDepth: number;
}

function Node({ name, value, depth, openDepth }: NodeProps) {
  if (typeof value !== "object" || value === null) return <Leaf name={name} value={value} />;
  const entries: [string, unknown][] = Object.entries(value);
  const [left, right] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div className="json-line">
        <Name name={name} />
        {left}
        {right}
      </div>
    );
  }
  return (
    <details className="json-node" open={depth < openDepth}>
      <summary>
        <Name name={name} />
        {left}
        <span className="json-closed">
          {" "}
          {entries.length} {right}
        </span>
      </summary>
      <div className="json-inside">
        {entries.map(([key, inner]) => (
          <Node
            key={key}
            name={Array.isArray(value) ? "" : key}
            value={inner}
            depth={depth + 1}
            openDepth={openDepth}
          />
        ))}
      </div>
      <div className="json-end">{right}</div>
    </details>
  );
}

function Name({ name }: { name: string }) {
  return name === "" ? null : (
    <>
      <span className="k">{name}</span>
      {": "}
    </>
  );
}

function Leaf({ name, value }: { name: string; value: unknown }) {
  const to = placeOf(name, value);
  const kind = typeof value === "string" ? "s" : "n";
  return (
    <div className="json-line">
      <Name name={name} />
      {to === undefined ? (
        <span className={kind}>{JSON.stringify(value)}</span>
      ) : (
        <Link className="link" to={to}>
          {JSON.stringify(value)}
        </Link>
      )}
    </div>
  );
}
