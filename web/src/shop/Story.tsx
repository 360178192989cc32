import { useState } from "react";

import type { TimelineStep } from "@/api/orders";
import { Timeline } from "@/console/orders/Timeline";
import { storyOf } from "@/lib/story";
import { Button } from "@/ui/controls";
import { Panel } from "@/ui/pieces";
import { Time } from "@/ui/Time";

/** What happened to an order, in a few sentences; every step of it for who wants to know. */
export function Story({ steps }: { steps: readonly TimelineStep[] }) {
  const [isFull, setFull] = useState(false);
  return (
    <Panel
      title="What happened"
      aside={
        <Button size="small" kind="ghost" aria-pressed={isFull} onClick={() => setFull(!isFull)}>
          Every step
        </Button>
      }
    >
      {isFull ? (
        <div className="panel-body">
          <Timeline steps={steps} />
        </div>
      ) : (
        <ol className="feed">
          {storyOf(steps).map(({ at, text, bad }) => (
            <li key={`${at}${text}`}>
              <span className={`dot ${bad ? "bad" : "good"}`} />
              <span className={bad ? "bad" : ""}>{text}</span>
              <span className="muted nowrap">
                <Time at={at} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
