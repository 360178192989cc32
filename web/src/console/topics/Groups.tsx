/** How far each service is. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { groupList } from "@/api/operator";
import { Away } from "@/console/Away";
import { plural } from "@/lib/format";
import { useHistory } from "@/lib/history";
import { useTitle } from "@/lib/hooks";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

import { GroupPanel, partitionKey } from "./GroupPanel";

export function Groups() {
  useTitle("Consumer groups");
  const { data, dataUpdatedAt, error, failureReason, isPending, refetch } = useQuery(groupList);
  const readings = useMemo(
    () =>
      (data?.items ?? []).flatMap((group) =>
        group.partitions.map((partition) => [partitionKey(group, partition), partition.lag] as const),
      ),
    [data],
  );
  const lags = useHistory("lag", dataUpdatedAt, readings);
  const lag = data?.items.reduce((sum, group) => sum + group.lag, 0);
  const lead =
    lag === undefined ? " " : lag === 0 ? "Everything has been taken in." : `${plural(lag, "message")} not taken in.`;
  return (
    <div className="page">
      <PageHead title="Consumer groups" lead={lead} />
      {isPending && (
        <Panel>
          <Loading rows={8} label="Loading consumer groups" problem={failureReason} />
        </Panel>
      )}
      {error !== null && data === undefined && (
        <Panel>
          <Failed error={error} retry={() => void refetch()} />
        </Panel>
      )}
      <Away from={data?.away} />
      {data?.items.map((group) => (
        <GroupPanel key={group.group} group={group} lags={lags} />
      ))}
      {data?.items.length === 0 && (
        <Panel>
          <Empty icon="groups" title="There are no consumer groups" />
        </Panel>
      )}
    </div>
  );
}
