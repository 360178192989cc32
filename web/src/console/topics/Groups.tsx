/** How far each service is. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { groupList, type Group } from "@/api/operator";
import { messageOf } from "@/api/problem";
import { count, plural, words } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Badge, Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

const STATES: Record<string, string> = {
  none: "has not begun",
  otherLog: "of another log: begins anew",
  outside: "outside of the log: begins anew",
};

export function Groups() {
  useTitle("Consumer groups");
  const { data, error, isPending, refetch } = useQuery(groupList);
  const lag = data?.items.reduce((sum, group) => sum + group.lag, 0) ?? 0;
  return (
    <div className="page">
      <PageHead
        title="Consumer groups"
        lead={
          data === undefined
            ? " "
            : lag === 0
              ? "Everything has been taken in."
              : `${plural(lag, "message")} not taken in.`
        }
      />
      {isPending && (
        <Panel>
          <Loading rows={8} label="Loading consumer groups" />
        </Panel>
      )}
      {error !== null && data === undefined && (
        <Panel>
          <Failed error={error} retry={() => void refetch()} />
        </Panel>
      )}
      {data?.away.map((away) => (
        <div className="callout warn" role="alert" key={away.service}>
          {words(away.service)} does not answer: {messageOf(away.error)}
        </div>
      ))}
      {data?.items.map((group) => (
        <GroupPanel key={group.group} group={group} />
      ))}
      {data?.items.length === 0 && (
        <Panel>
          <Empty icon="groups" title="There are no consumer groups" />
        </Panel>
      )}
    </div>
  );
}

function GroupPanel({ group }: { group: Group }) {
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
                State
              </th>
            </tr>
          </thead>
          <tbody>
            {group.partitions.map((partition) => (
              <tr key={`${partition.topic}/${partition.partition}`}>
                <td>
                  <Link className="link mono" to={`/topics/${partition.topic}?partition=${partition.partition}`}>
                    {partition.topic}
                  </Link>
                </td>
                <td className="num">{partition.partition}</td>
                <td className="num">{partition.position == null ? "–" : count(partition.position)}</td>
                <td className="num extra">{count(partition.endOffset)}</td>
                <td className={`num ${partition.lag > 0 ? "strong" : "muted"}`}>{count(partition.lag)}</td>
                <td className="extra muted">
                  {partition.parked > 0
                    ? `${count(partition.parked)} parked`
                    : (STATES[partition.positionState] ?? (partition.lag === 0 ? "caught up" : "behind"))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
