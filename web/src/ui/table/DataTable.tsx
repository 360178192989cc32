/** A table of any length: TanStack Table for the columns, TanStack Virtual so that only what can be seen is in the page. */
import { flexRender, getCoreRowModel, useReactTable, type ColumnDef, type RowData } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, type ReactNode } from "react";

declare module "@tanstack/react-table" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the parameters have to be those of the original
  interface ColumnMeta<TData extends RowData, TValue> {
    className?: string;
  }
}

const ROW_HEIGHT = 36;

export interface DataTableProps<T> {
  label: string;
  rows: readonly T[];
  columns: ColumnDef<T>[];
  rowId: (row: T) => string;
  /** Opens a row: with a click anywhere on it. The row's own link does it for the keyboard. */
  onOpen?: ((row: T) => void) | undefined;
  selected?: ReadonlySet<string>;
  fresh?: ReadonlySet<string>;
  /** More rows are there; called when the last one comes into sight. */
  more?: { loading: boolean; load: () => void } | undefined;
  empty: ReactNode;
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, rows, columns, rowId, onOpen, selected, fresh, more, empty } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    initialRect: { width: 1_000, height: 800 },
  });
  const items = virtual.getVirtualItems();
  const [from, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  // Only what can be seen becomes rows of the table: a change among 100,000 costs no more than one among 50.
  const seen = useMemo(() => rows.slice(from, last + 1), [rows, from, last]);
  const table = useReactTable({ data: seen, columns, getRowId: rowId, getCoreRowModel: getCoreRowModel() });
  const model = table.getRowModel().rows;
  const wantsMore = more !== undefined && !more.loading && last >= rows.length - 1 && rows.length > 0;
  const load = more?.load;
  useEffect(() => {
    if (wantsMore) load?.();
  }, [wantsMore, load]);

  if (rows.length === 0) return empty;
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = table.getVisibleLeafColumns().length;
  return (
    // A part that scrolls can be reached with the keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="table-wrap" ref={scroller} tabIndex={0} role="region" aria-label={label}>
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
        <tbody>
          {before > 0 && <Filler height={before} width={width} />}
          {items.map((item) => {
            const row = model[item.index - from];
            if (row === undefined) return null;
            const classes = [onOpen === undefined ? "" : "clickable", fresh?.has(row.id) === true ? "fresh" : ""];
            return (
              <tr
                key={row.id}
                aria-rowindex={item.index + 2}
                aria-selected={selected?.has(row.id)}
                className={classes.join(" ").trim()}
                onClick={(event) => {
                  if (!isInteractive(event.target)) onOpen?.(row.original);
                }}
              >
                {row.getVisibleCells().map((cell) => (
                  <td key={cell.id} className={cell.column.columnDef.meta?.className}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </td>
                ))}
              </tr>
            );
          })}
          {after > 0 && <Filler height={after} width={width} />}
          {more?.loading === true && (
            <tr className="more">
              <td colSpan={width}>Loading more…</td>
            </tr>
          )}
        </tbody>
      </table>
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

/** A click on a link or a control inside of a row is not one on the row. */
function isInteractive(target: EventTarget): boolean {
  return target instanceof Element && target.closest("a, button, input, select, label") !== null;
}
