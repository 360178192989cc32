import { count, plural, rate } from "@/lib/format";
import { Button } from "@/ui/controls";

import type { Run } from "./useRun";

export function RunProgress({ run, cancel }: { run: Run | null; cancel: () => void }) {
  if (run === null) return null;
  const done = run.placed + run.failed;
  const speed = run.seconds > 0 ? rate(run.placed / run.seconds) : "0";
  return (
    <div className="stack">
      <progress value={done} max={run.wanted} aria-label="Orders placed" />
      <div className="row">
        <span className="grow muted" role="status">
          {count(run.placed)} of {count(run.wanted)} accepted, {speed} a second
          {run.failed > 0 && (
            <span className="bad">
              {" "}
              · {plural(run.failed, "failure")}: {run.problem}
            </span>
          )}
        </span>
        {!run.isOver && (
          <Button size="small" onClick={cancel}>
            Stop
          </Button>
        )}
      </div>
    </div>
  );
}
