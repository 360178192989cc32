import { flexRender, type ColumnDef, type Row } from "@tanstack/react-table";
import { memo } from "react";

interface Props<T> {
  row: Row<T>;
  /** Those that the row was made with: a row is drawn again when they change, or what it shows. */
  columns: readonly ColumnDef<T>[];
  visibility: Readonly<Record<string, boolean>>;
  index: number;
  isSelected: boolean | undefined;
  isFresh: boolean;
  isClickable: boolean;
}

function TableRow<T>({ row, index, isSelected, isFresh, isClickable }: Props<T>) {
  const classes = [isClickable ? "clickable" : "", isFresh ? "fresh" : ""];
  return (
    <tr data-index={index} aria-rowindex={index + 2} aria-selected={isSelected} className={classes.join(" ").trim()}>
      {row.getVisibleCells().map((cell) => (
        <td key={cell.id} className={cell.column.columnDef.meta?.className}>
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </td>
      ))}
    </tr>
  );
}

/** The table makes its rows anew while one scrolls; those that were in sight before stay as they are drawn. */
function isSame<T>(before: Props<T>, after: Props<T>): boolean {
  return (
    before.row.original === after.row.original &&
    before.columns === after.columns &&
    before.visibility === after.visibility &&
    before.index === after.index &&
    before.isSelected === after.isSelected &&
    before.isFresh === after.isFresh &&
    before.isClickable === after.isClickable
  );
}

export const MemoRow = memo(TableRow, isSame) as typeof TableRow;
