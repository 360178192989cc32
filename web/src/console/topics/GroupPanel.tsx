import { Link } from "react-router";

import type { Group } from "@/api/operator";
import { count, plural } from "@/lib/format";
import { Badge, Panel } from "@/ui/pieces";
import { Sparkline } from "@/ui/Sparkline";

const STATES: Record<string, string> = {
  none: "has not begun",
  otherLog: "of another log: begins anew",
  outside: "outside of the log: begins anew",
};

type Partition = Group["partitions"][number];

export const partitionKey = (group: Group, { topic, partition }: Partition): string =>
  `${group.group} ${topic} ${partition}`;

function stateOf(partition: Partition): string {
  if (partition.parked > 0) return `${count(partition.parked)} parked`;
  if (partition.endOffset === partition.startOffset) return "empty";
  return STATES[partition.positionState] ?? (partition.lag === 0 ? "caught up" : "behind");
}

interface Props {
  group: Group;
  /** The lag of each partition over the last looks. */
  lags: ReadonlyMap<string, readonly number[]>;
}

export function GroupPanel({ group, lags }: Props) {
  const aside = (
    <>
      {group.parked > 0 && (
        <Link to="/dead-letters">
          <Badge tone="bad">{plural(group.parked, "dead letter")}</Badge>
        </Link>
      )}
      <Badge tone={group.lag === 0 ? "good" : "warn"}>lag {count(group.lag)}</Badge>
    </>
  );
  return (
    <Panel title={<span className="mono">{group.group}</span>} aside={aside}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls can be reached with the keyboard */}
      <div className="table-wrap free" tabIndex={0} role="region" aria-label={`Partitions of ${group.group}`}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Topic</th>
              <th scope="col" className="num">
                Partition
              </th>
              <th scope="col" className="num">
                Position
              </th>
              <th scope="col" className="num extra">
                Log end
              </th>
              <th scope="col" className="num">
                Lag
              </th>
              <th scope="col" className="extra">
                Lag, last 2 min
              </th>
              <th scope="col" className="extra">
                State
              </th>
            </tr>
          </thead>
          <tbody>
            {group.partitions.map((partition) => {
              const key = partitionKey(group, partition);
              const history = lags.get(key) ?? [];
              return (
                <tr key={key}>
                  <td>
                    <Link className="link mono" to={`/topics/${partition.topic}?partition=${partition.partition}`}>
                      {partition.topic}
                    </Link>
                  </td>
                  <td className="num">{partition.partition}</td>
                  <td className="num">{partition.position == null ? "–" : count(partition.position)}</td>
                  <td className="num extra">{count(partition.endOffset)}</td>
                  <td className={`num ${partition.lag > 0 ? "strong" : "muted"}`}>{count(partition.lag)}</td>
                  <td className="extra">
                    <Sparkline values={history} label={`Lag, at most ${count(Math.max(0, ...history))}`} />
                  </td>
                  <td className="extra muted">{stateOf(partition)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
