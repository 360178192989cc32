/** Keeps what is being read where it is while rows come in above it, and finds the place again after "back". */
import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { useLocation } from "react-router";

/** Where each table of each visited page was; as long as the page lasts. */
const places = new Map<string, number>();
const MOST_PLACES = 200;
/** The row that was first is looked for among so many; further down the list is another one. */
const MOST_NEW = 5_000;

interface Options<T> {
  label: string;
  rows: readonly T[];
  rowId: (row: T) => string;
  rowHeight: number;
}

export interface Steady {
  /** Where to begin: where the reader was when this page was left. */
  initialOffset: number;
  /** Rows that came in above since the reader left the top. */
  above: number;
  toTop: () => void;
}

export function useSteady<T>(scroller: RefObject<HTMLDivElement | null>, options: Options<T>): Steady {
  const { label, rows, rowId, rowHeight } = options;
  const place = `${useLocation().key} ${label}`;
  const [initialOffset] = useState(() => places.get(place) ?? 0);
  const [above, setAbove] = useState(0);
  const first = useRef<string | undefined>(undefined);
  const hasRows = rows.length > 0;

  useEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const onScroll = () => {
      places.delete(place);
      places.set(place, box.scrollTop);
      const oldest = places.keys().next().value;
      if (places.size > MOST_PLACES && oldest !== undefined) places.delete(oldest);
      if (box.scrollTop < rowHeight) setAbove(0);
    };
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => box.removeEventListener("scroll", onScroll);
  }, [scroller, place, rowHeight, hasRows]);

  useLayoutEffect(() => {
    const box = scroller.current;
    const [row] = rows;
    const before = first.current;
    first.current = row === undefined ? undefined : rowId(row);
    if (box === null || before === undefined || before === first.current) return;
    const came = rows.slice(0, MOST_NEW).findIndex((next) => rowId(next) === before);
    if (came <= 0 || box.scrollTop < rowHeight) return;
    box.scrollTo({ top: box.scrollTop + came * rowHeight });
    setAbove((known) => known + came);
  }, [scroller, rows, rowId, rowHeight]);

  return { initialOffset, above, toTop: () => scroller.current?.scrollTo({ top: 0 }) };
}
