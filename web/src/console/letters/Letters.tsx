/** Messages that could not be processed, and what can be done with them. */
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";

import { groupList, letterKeys, letterList, parkedIn, type DeadLetter } from "@/api/operator";
import { Away } from "@/console/Away";
import { plural } from "@/lib/format";
import { useDraft, useTitle } from "@/lib/hooks";
import { useFilters } from "@/lib/url";
import { Button, SearchBox, Select } from "@/ui/controls";
import { Empty, Failed, Loading, PageHead, Panel } from "@/ui/pieces";
import { DataTable } from "@/ui/table/DataTable";
import { TableOptions } from "@/ui/table/TableOptions";

import { LETTER_COLUMNS } from "./columns";
import { LetterSheet } from "./LetterSheet";

const DEFAULTS = { id: "", topic: "", order: "" };
export function Letters() {
  useTitle("Dead letters");
  const [asked, change] = useFilters(DEFAULTS);
  const [order, setOrder] = useDraft(asked.order, (value) => change({ order: value }));
  const list = useInfiniteQuery(letterList({ topic: asked.topic, order: asked.order }));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const { data: groups } = useQuery(groupList);
  const parked = parkedIn(groups);
  // What the groups consume, and so what can be parked.
  const topics = [...new Set(groups?.items.flatMap((group) => group.partitions.map(({ topic }) => topic)))].sort();
  useFreshLetters(parked);
  const isFiltered = asked.topic !== "" || asked.order !== "";
  const clear = () => change({ topic: "", order: "" });
  const lead =
    parked === undefined
      ? " "
      : parked === 0
        ? "Every message could be processed."
        : `${plural(parked, "message")} parked. All other orders go on.`;
  return (
    <div className="page fills">
      <PageHead title="Dead letters" lead={lead} />
      <div className="filters" role="search">
        <SearchBox label="Order" placeholder="Order id or number" value={order} onChange={setOrder} />
        <Select aria-label="Topic" value={asked.topic} onChange={(event) => change({ topic: event.target.value })}>
          <option value="">Any topic</option>
          {topics.map((topic) => (
            <option key={topic}>{topic}</option>
          ))}
        </Select>
        {isFiltered && (
          <Button kind="ghost" icon="close" onClick={clear}>
            Clear
          </Button>
        )}
        <TableOptions name="letters" columns={LETTER_COLUMNS} />
      </div>
      <Away from={list.data?.pages[0]?.away} />
      <Panel fills>
        {list.isPending && <Loading rows={6} label="Loading dead letters" />}
        {list.isError && list.data === undefined && <Failed error={list.error} retry={() => void list.refetch()} />}
        {list.data !== undefined && (
          <DataTable<DeadLetter>
            label="Dead letters"
            name="letters"
            rows={rows}
            columns={LETTER_COLUMNS}
            rowId={(letter) => letter.id}
            onOpen={(letter) => change({ id: letter.id })}
            more={
              list.hasNextPage ? { loading: list.isFetchingNextPage, load: () => void list.fetchNextPage() } : undefined
            }
            empty={
              isFiltered ? (
                <Empty
                  icon="filter"
                  title="No dead letter matches"
                  action={<Button onClick={clear}>Clear filters</Button>}
                />
              ) : (
                <Empty icon="check" title="No dead letters">
                  A message that cannot be read is parked here, with what waits behind it. It stops no other order.
                </Empty>
              )
            }
          />
        )}
      </Panel>
      {asked.id !== "" && <LetterSheet key={asked.id} id={asked.id} onClose={() => change({ id: "" })} />}
    </div>
  );
}

/** The groups say how many are parked, every two seconds; the list is asked for anew when that changes. */
function useFreshLetters(parked: number | undefined): void {
  const client = useQueryClient();
  useEffect(() => {
    if (parked !== undefined) void client.invalidateQueries({ queryKey: letterKeys.all }, { cancelRefetch: false });
  }, [client, parked]);
}
