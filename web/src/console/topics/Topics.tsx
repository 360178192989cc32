/** What is on the bus. */
import { useQuery } from "@tanstack/react-query";
import type { ColumnDef } from "@tanstack/react-table";
import { useMemo } from "react";
import { Link, useNavigate } from "react-router";

import { topicList, type Topic } from "@/api/operator";
import { count, plural, rate, words } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { useRates } from "@/lib/rates";
import { useFilters } from "@/lib/url";
import { SearchBox } from "@/ui/controls";
import { FilterBar } from "@/ui/FilterBar";
import { DataTable } from "@/ui/table/DataTable";
import { TableOptions } from "@/ui/table/TableOptions";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";

const DEFAULTS = { name: "", used: "" };

const endOf = (topic: Topic): number => topic.partitions.reduce((sum, partition) => sum + partition.endOffset, 0);

function columnsFor(rates: ReadonlyMap<string, number>): ColumnDef<Topic>[] {
  return [
    {
      id: "name",
      header: "Topic",
      cell: ({ row: { original } }) => (
        <Link className="link mono" to={`/topics/${original.name}`}>
          {original.name}
        </Link>
      ),
    },
    {
      id: "by",
      header: "Written by",
      meta: { className: "extra" },
      cell: ({ row }) => words(row.original.publishedBy),
    },
    {
      id: "partitions",
      header: "Partitions",
      meta: { className: "num extra" },
      cell: ({ row }) => row.original.partitions.length,
    },
    {
      id: "messages",
      header: "Messages",
      meta: { className: "num" },
      cell: ({ row }) => <span className="strong">{count(row.original.messages)}</span>,
    },
    {
      id: "written",
      header: "Ever written",
      meta: { className: "num extra" },
      cell: ({ row }) => count(endOf(row.original)),
    },
    {
      id: "rate",
      header: "A second",
      meta: { className: "num" },
      cell: ({ row }) => {
        const now = rates.get(row.original.name) ?? 0;
        return <span className={now === 0 ? "muted" : "strong"}>{now === 0 ? "0" : rate(now)}</span>;
      },
    },
    {
      id: "dlq",
      header: "Dead letters go to",
      meta: { className: "extra" },
      cell: ({ row: { original } }) =>
        original.deadLetterTopic == null ? (
          <span className="muted">–</span>
        ) : (
          <Link className="link mono" to={`/topics/${original.deadLetterTopic}`}>
            {original.deadLetterTopic}
          </Link>
        ),
    },
  ];
}

export function Topics() {
  useTitle("Topics");
  const navigate = useNavigate();
  const [filters, change] = useFilters(DEFAULTS);
  const [text, setText] = useDraft(filters.name, (name) => change({ name }));
  const { data, dataUpdatedAt, error, failureReason, isPending, refetch } = useQuery(topicList);
  const rates = useRates(data, dataUpdatedAt, (topic) => [topic.name, endOf(topic)]);
  const columns = useMemo(() => columnsFor(rates), [rates]);
  const shown = useMemo(
    () =>
      (data ?? []).filter(
        (topic) =>
          topic.name.includes(filters.name.trim().toLowerCase()) && (filters.used === "" || topic.messages > 0),
      ),
    [data, filters],
  );
  const messages = data?.reduce((sum, topic) => sum + topic.messages, 0) ?? 0;
  const lead = data === undefined ? " " : `${plural(data.length, "topic")}, ${plural(messages, "message")}`;
  return (
    <div className="page fills">
      <PageHead title="Topics" lead={lead} />
      <FilterBar
        active={filters.used === "" ? 0 : 1}
        search={<SearchBox label="Search topics" placeholder="A part of the name" value={text} onChange={setText} />}
        end={<TableOptions name="topics" columns={columns} />}
      >
        <label className="row">
          <input
            className="checkbox"
            type="checkbox"
            checked={filters.used !== ""}
            onChange={(event) => change({ used: event.target.checked ? "true" : "" })}
          />
          With messages only
        </label>
      </FilterBar>
      <Panel fills>
        {isPending && <Loading rows={10} label="Loading topics" problem={failureReason} />}
        {error !== null && data === undefined && <Failed error={error} retry={() => void refetch()} />}
        {data !== undefined && (
          <DataTable<Topic>
            label="Topics"
            name="topics"
            rows={shown}
            columns={columns}
            rowId={(topic) => topic.name}
            onOpen={(topic) => void navigate(`/topics/${topic.name}`)}
            empty={<Empty icon="topics" title={data.length === 0 ? "There are no topics" : "No topic matches"} />}
          />
        )}
      </Panel>
    </div>
  );
}
