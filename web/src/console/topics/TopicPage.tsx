/** One topic's messages: newest first, from a place on, or as they come. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useParams } from "react-router";

import { topicOne, type Message, type Topic } from "@/api/operator";
import { count, plural, rate } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { messageMatches, newerThan, readPlace } from "@/lib/messages";
import { useRates } from "@/lib/rates";
import { useFilters } from "@/lib/url";
import { Button, SearchBox, Select } from "@/ui/controls";
import { Failed, Loading, PageHead, Panel } from "@/ui/pieces";
import { FilterBar } from "@/ui/FilterBar";
import { DataTable } from "@/ui/table/DataTable";
import { TableOptions } from "@/ui/table/TableOptions";

import { MESSAGE_COLUMNS, messageId } from "./columns";
import { JumpTo } from "./JumpTo";
import { MessageSheet } from "./MessageSheet";
import { NoMessages } from "./NoMessages";
import { Partitions } from "./Partitions";
import { useMessages, type Messages } from "./useMessages";

const CRUMBS = [{ to: "/topics", label: "Topics" }];
const DEFAULTS = { partition: "", start: "", filter: "", message: "" };

export function TopicPage() {
  const { name = "" } = useParams();
  useTitle(name);
  const [asked, change] = useFilters(DEFAULTS);
  const [filter, setFilter] = useDraft(asked.filter, (value) => change({ filter: value }));
  const [following, setFollowing] = useState(false);
  const partition = asked.partition === "" ? undefined : Number(asked.partition);
  const start = asked.start === "" || partition === undefined ? undefined : Number(asked.start);
  const topic = useQuery(topicOne(name));
  const tail = useMessages({ name, partition, start }, following);
  const shown = useMemo(
    () => tail.messages.filter((message) => messageMatches(message, asked.filter)),
    [tail.messages, asked.filter],
  );
  const open = (message: Message) => change({ message: `${message.partition}:${message.offset}` });
  const place = readPlace(name, asked.message);
  const newer = following || tail.isPending ? 0 : newerThan(tail.messages, topic.data, partition);
  const follow = () => {
    // What comes is after the newest, and not after a place further back.
    change({ start: "" });
    setFollowing(!following);
  };
  return (
    <div className="page fills">
      <PageHead
        title={<span className="mono">{name}</span>}
        crumbs={CRUMBS}
        lead={topic.data === undefined ? " " : <Lead topic={topic.data} at={topic.dataUpdatedAt} />}
      >
        <Button
          icon={following ? "pause" : "play"}
          kind={following ? "primary" : "plain"}
          aria-pressed={following}
          onClick={follow}
        >
          {following ? "Following" : newer > 0 ? `Follow live (${count(newer)} newer)` : "Follow live"}
        </Button>
      </PageHead>
      {topic.data !== undefined && <Partitions topic={topic.data} />}
      <FilterBar
        active={partition === undefined ? 0 : 1}
        search={
          <SearchBox
            label="Filter messages"
            placeholder="Key, event type, header or payload"
            value={filter}
            onChange={setFilter}
          />
        }
        end={
          <>
            {topic.data !== undefined && (
              <JumpTo
                topic={topic.data}
                partition={partition}
                onJump={(at, offset) => {
                  setFollowing(false);
                  change({ partition: String(at), start: String(offset) });
                }}
              />
            )}
            <TableOptions name="messages" columns={MESSAGE_COLUMNS} />
          </>
        }
      >
        <Select
          aria-label="Partition"
          value={asked.partition}
          onChange={(event) => change({ partition: event.target.value, start: "" })}
        >
          <option value="">All partitions</option>
          {topic.data?.partitions.map(({ partition: number }) => (
            <option key={number} value={number}>
              Partition {number}
            </option>
          ))}
        </Select>
        {start !== undefined && (
          <Button kind="ghost" icon="close" onClick={() => change({ start: "" })}>
            From offset {start} back
          </Button>
        )}
        <span className="muted" role="status">
          {asked.filter === "" ? "" : `${count(shown.length)} of ${plural(tail.messages.length, "loaded message")}`}
        </span>
      </FilterBar>
      <Panel fills>
        {tail.isPending && <Loading rows={10} label="Loading messages" problem={tail.problem} />}
        {tail.error !== null && tail.messages.length === 0 && <Failed error={tail.error} retry={tail.retry} />}
        {!tail.isPending && (tail.error === null || tail.messages.length > 0) && (
          <DataTable<Message>
            label={`Messages of ${name}`}
            name="messages"
            rows={shown}
            columns={MESSAGE_COLUMNS}
            rowId={messageId}
            onOpen={open}
            fresh={tail.fresh}
            more={moreOf(tail, asked.filter !== "")}
            foot={asked.filter !== "" && tail.hasMore ? <Further tail={tail} /> : undefined}
            empty={<NoMessages isFiltered={asked.filter !== ""} following={following} tail={tail} />}
          />
        )}
      </Panel>
      {place !== undefined && (
        <MessageSheet
          place={place}
          known={tail.messages.find(
            (message) => message.partition === place.partition && message.offset === place.offset,
          )}
          onMove={(next) => change({ message: `${next.partition}:${next.offset}` })}
          onClose={() => change({ message: "" })}
        />
      )}
    </div>
  );
}

/** A filter that finds little would read the whole topic by itself: one asks for each further part. */
const moreOf = (tail: Messages, isFiltered: boolean) =>
  tail.hasMore && !isFiltered ? { loading: tail.isLoadingMore, load: tail.loadMore } : undefined;

function Further({ tail }: { tail: Messages }) {
  return (
    <Button size="small" disabled={tail.isLoadingMore} onClick={tail.loadMore}>
      Look further back
    </Button>
  );
}

function Lead({ topic, at }: { topic: Topic; at: number }) {
  const rates = useRates([topic], at, (one) => [one.name, one.partitions.reduce((sum, p) => sum + p.endOffset, 0)]);
  const now = rates.get(topic.name) ?? 0;
  return (
    <>
      {plural(topic.messages, "message")} in {plural(topic.partitions.length, "partition")},{" "}
      {now === 0 ? "none" : rate(now)} a second
    </>
  );
}
