import { useMemo } from "react";
import { Link } from "react-router";

import type { TimelineStep } from "@/api/orders";
import { duration } from "@/lib/format";
import { messagePath, type Place } from "@/lib/messages";
import { momentsOf } from "@/lib/timeline";
import { Empty } from "@/ui/pieces";
import { Time } from "@/ui/Time";

/** From here on a pause is pointed at. */
const LONG_MS = 1_000;

interface Props {
  steps: readonly TimelineStep[];
  /** The message that one comes from. */
  pointed?: Place | undefined;
}

const isAt = (place: Place | undefined, other: Place | undefined): boolean =>
  place !== undefined &&
  place.topic === other?.topic &&
  place.partition === other.partition &&
  place.offset === other.offset;

const showIt = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "center" });

export function Timeline({ steps, pointed }: Props) {
  const moments = useMemo(() => momentsOf(steps), [steps]);
  if (moments.length === 0) return <Empty title="Nothing is known of this order" />;
  return (
    <ol className="timeline">
      {moments.map((moment) => (
        <li
          key={moment.key}
          ref={isAt(moment.place, pointed) ? showIt : undefined}
          aria-current={isAt(moment.place, pointed) ? "location" : undefined}
          className={`moment ${moment.kind} ${moment.failed ? "failed" : ""} ${moment.starts ? "starts" : ""}`}
        >
          <span className={`gap ${moment.gap !== undefined && moment.gap >= LONG_MS ? "long" : ""}`}>
            {moment.gap === undefined && <Time at={moment.at} exact />}
            {moment.gap !== undefined && (moment.gap > 0 || moment.starts) && `+${duration(moment.gap)}`}
          </span>
          <span className="knot" aria-hidden="true">
            <i />
          </span>
          <div className="says">
            <span className="what">{moment.what}</span>
            <span className="detail">
              {moment.place === undefined ? (
                moment.detail
              ) : (
                <Link className="link" to={messagePath(moment.place)}>
                  {moment.detail}
                </Link>
              )}
            </span>
          </div>
        </li>
      ))}
    </ol>
  );
}
