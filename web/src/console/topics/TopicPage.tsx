/** One topic's messages, newest first, or as they come. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useParams } from "react-router";

import { oneMessage, topicOne, type Message } from "@/api/operator";
import { count, plural, rate } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { messageMatches } from "@/lib/messages";
import { useRates } from "@/lib/rates";
import { useFilters } from "@/lib/url";
import { Button, SearchBox, Select } from "@/ui/controls";
import { DataTable } from "@/ui/DataTable";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

import { MESSAGE_COLUMNS, messageId } from "./columns";
import { MessageSheet } from "./MessageSheet";
import { Partitions } from "./Partitions";
import { useMessages } from "./useMessages";

const CRUMBS = [{ to: "/topics", label: "Topics" }];
const DEFAULTS = { partition: "", offset: "", filter: "" };

export function TopicPage() {
  const { name = "" } = useParams();
  useTitle(name);
  const [asked, change] = useFilters(DEFAULTS);
  const [filter, setFilter] = useDraft(asked.filter, (value) => change({ filter: value }));
  const [opened, setOpened] = useState<Message | null>(null);
  const [following, setFollowing] = useState(false);
  const partition = asked.partition === "" ? undefined : Number(asked.partition);
  const topic = useQuery(topicOne(name));
  const tail = useMessages(name, partition, following);
  const rates = useRates(topic.data === undefined ? undefined : [topic.data], topic.dataUpdatedAt, (t) => [
    t.name,
    t.partitions.reduce((sum, p) => sum + p.endOffset, 0),
  ]);
  const shown = useMemo(
    () => tail.messages.filter((message) => messageMatches(message, asked.filter)),
    [tail.messages, asked.filter],
  );
  const linked = useQuery({ ...oneMessage(name, partition ?? 0, Number(asked.offset)), enabled: asked.offset !== "" });
  const sheet = opened ?? linked.data ?? null;
  const now = rates.get(name) ?? 0;
  const lead =
    topic.data === undefined
      ? " "
      : `${plural(topic.data.messages, "message")} in ${plural(topic.data.partitions.length, "partition")}, ${now === 0 ? "none" : rate(now)} a second`;
  const close = () => {
    setOpened(null);
    change({ offset: "" });
  };
  return (
    <div className="page">
      <PageHead title={<span className="mono">{name}</span>} crumbs={CRUMBS} lead={lead}>
        <Button
          icon={following ? "pause" : "play"}
          kind={following ? "primary" : "plain"}
          aria-pressed={following}
          onClick={() => setFollowing(!following)}
        >
          {following ? "Following" : "Follow live"}
        </Button>
      </PageHead>
      {topic.data !== undefined && <Partitions topic={topic.data} />}
      <div className="filters" role="search">
        <SearchBox
          label="Filter messages"
          placeholder="Key, event type, header or payload"
          value={filter}
          onChange={setFilter}
        />
        <Select
          aria-label="Partition"
          value={asked.partition}
          onChange={(event) => change({ partition: event.target.value, offset: "" })}
        >
          <option value="">All partitions</option>
          {topic.data?.partitions.map(({ partition: number }) => (
            <option key={number} value={number}>
              Partition {number}
            </option>
          ))}
        </Select>
        <span className="muted">
          {asked.filter === "" ? "" : `${count(shown.length)} of ${plural(tail.messages.length, "loaded message")}`}
        </span>
      </div>
      {linked.data === null && asked.offset !== "" && (
        <div className="callout warn" role="status">
          Offset {asked.offset} of partition {asked.partition} is not kept any more.
        </div>
      )}
      <Panel>
        {tail.isPending && <Loading rows={10} label="Loading messages" />}
        {tail.error !== null && tail.messages.length === 0 && <Failed error={tail.error} retry={tail.retry} />}
        {!tail.isPending && (tail.error === null || tail.messages.length > 0) && (
          <DataTable<Message>
            label={`Messages of ${name}`}
            rows={shown}
            columns={MESSAGE_COLUMNS(setOpened)}
            rowId={messageId}
            onOpen={setOpened}
            fresh={tail.fresh}
            more={tail.hasMore ? { loading: tail.isLoadingMore, load: tail.loadMore } : undefined}
            empty={
              asked.filter === "" ? (
                <Empty icon="topics" title="No messages">
                  {following ? "Waiting for the first one." : "Follow live to see the first one as it comes."}
                </Empty>
              ) : (
                <Empty
                  icon="filter"
                  title="No loaded message matches"
                  action={tail.hasMore ? <Button onClick={tail.loadMore}>Look further back</Button> : undefined}
                />
              )
            }
          />
        )}
      </Panel>
      {sheet !== null && <MessageSheet message={sheet} onClose={close} />}
    </div>
  );
}
