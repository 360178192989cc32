/** A table of any length: TanStack Table for the columns, and only the rows that can be seen are in the page. */
import { flexRender, getCoreRowModel, useReactTable, type ColumnDef, type RowData } from "@tanstack/react-table";
import { useEffect, useMemo, useRef, type MouseEvent, type ReactNode } from "react";

import { plural } from "@/lib/format";
import { usePreferences } from "@/lib/preferences";
import { Button } from "@/ui/controls";

import { onRowKey } from "./rowKeys";
import { MemoRow } from "./TableRow";
import { useRowWindow } from "./useRowWindow";
import { useSteady } from "./useSteady";

declare module "@tanstack/react-table" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the parameters have to be those of the original
  interface ColumnMeta<TData extends RowData, TValue> {
    className?: string;
  }
}

const ROW_HEIGHTS = { normal: 36, compact: 28 } as const;
/** So many rows before the end, the next page is asked for: who scrolls does not wait for it. */
const AHEAD = 40;
const NONE: readonly string[] = [];

export interface DataTableProps<T> {
  label: string;
  /** Under which its columns are kept (`TableOptions`). */
  name?: string;
  rows: readonly T[];
  columns: ColumnDef<T>[];
  rowId: (row: T) => string;
  /** Opens a row: with a click anywhere on it. The row's own link does it for the keyboard. */
  onOpen?: ((row: T) => void) | undefined;
  selected?: ReadonlySet<string>;
  fresh?: ReadonlySet<string>;
  /** More rows are there; called before the last one comes into sight. */
  more?: { loading: boolean; load: () => void } | undefined;
  /** Under the last row. */
  foot?: ReactNode;
  empty: ReactNode;
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, name = "", rows, columns, rowId, onOpen, selected, fresh, more, foot, empty } = props;
  const { density, hidden } = usePreferences();
  const rowHeight = ROW_HEIGHTS[density];
  const scroller = useRef<HTMLDivElement>(null);
  const steady = useSteady(scroller, { label, rows, rowId, rowHeight });
  const { from, to, show } = useRowWindow(scroller, {
    count: rows.length,
    rowHeight,
    initialOffset: steady.initialOffset,
  });
  // Only what can be seen becomes rows of the table: a change among 100,000 costs no more than one among 50.
  const seen = useMemo(() => rows.slice(from, to), [rows, from, to]);
  const unseen = hidden[name] ?? NONE;
  const columnVisibility = useMemo(() => Object.fromEntries(unseen.map((id) => [id, false])), [unseen]);
  const table = useReactTable({
    data: seen,
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    state: { columnVisibility },
  });
  const model = table.getRowModel().rows;
  const wantsMore = more !== undefined && !more.loading && to >= rows.length - AHEAD && rows.length > 0;
  const load = more?.load;
  useEffect(() => {
    if (wantsMore) load?.();
  }, [wantsMore, load]);

  if (rows.length === 0) return empty;
  const before = from * rowHeight;
  const after = (rows.length - to) * rowHeight;
  const width = table.getVisibleLeafColumns().length;
  const keys = { length: rows.length, show };
  const onClick = ({ target }: MouseEvent) => {
    const row = rows[clickedRow(target) ?? -1];
    if (row !== undefined) onOpen?.(row);
  };
  return (
    <div className="table-frame">
      {steady.above > 0 && (
        <Button size="small" icon="up" className="newer" onClick={steady.toTop}>
          {plural(steady.above, "new row")} above
        </Button>
      )}
      {/* A part that scrolls can be reached with the keyboard, and its keys go through its rows. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        className={`table-wrap ${density}`}
        ref={scroller}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="region"
        aria-label={label}
        onKeyDown={(event) => onRowKey(event, keys)}
      >
        <table className="table" aria-rowcount={more === undefined ? rows.length + 1 : -1}>
          <thead>
            {table.getHeaderGroups().map((group) => (
              <tr key={group.id}>
                {group.headers.map((header) => (
                  <th key={header.id} scope="col" className={header.column.columnDef.meta?.className}>
                    {flexRender(header.column.columnDef.header, header.getContext())}
                  </th>
                ))}
              </tr>
            ))}
          </thead>
          {/* A click anywhere on a row opens it; for the keyboard there is the row's own link. */}
          {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions */}
          <tbody onClick={onClick}>
            {before > 0 && <Filler height={before} width={width} />}
            {model.map((row, index) => (
              <MemoRow
                key={row.id}
                row={row}
                columns={columns}
                visibility={columnVisibility}
                index={from + index}
                isSelected={selected?.has(row.id)}
                isFresh={fresh?.has(row.id) === true}
                isClickable={onOpen !== undefined}
              />
            ))}
            {after > 0 && <Filler height={after} width={width} />}
            {more?.loading === true && (
              <tr className="more">
                <td colSpan={width}>Loading more…</td>
              </tr>
            )}
          </tbody>
        </table>
        {foot !== undefined && <div className="table-foot">{foot}</div>}
      </div>
    </div>
  );
}

function Filler({ height, width }: { height: number; width: number }) {
  return (
    <tr className="filler" aria-hidden="true">
      <td colSpan={width} style={{ height }} />
    </tr>
  );
}

/** The row that was clicked; none for a click on a link or a control inside of it, or the end of marking a text. */
function clickedRow(target: EventTarget): number | undefined {
  const isMarking = (window.getSelection()?.toString() ?? "") !== "";
  if (isMarking || !(target instanceof Element)) return undefined;
  if (target.closest("a, button, input, select, label") !== null) return undefined;
  const index = target.closest<HTMLElement>("tr[data-index]")?.dataset.index;
  return index === undefined ? undefined : Number(index);
}
