/** Moves through a table's rows with the keyboard: the focus goes to what opens the row. */
import type { KeyboardEvent } from "react";

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
const FOCUSABLE = "a, button, input";

export interface RowKeys {
  length: number;
  /** Scrolls so far that a row can be seen. */
  show: (index: number) => void;
}

const rowOf = (element: Element | null): HTMLElement | null => element?.closest<HTMLElement>("tr[data-index]") ?? null;

/** A row's own link or button; not the box that chooses it. */
const opener = (row: HTMLElement): HTMLElement | null =>
  row.querySelector<HTMLElement>("a, button") ?? row.querySelector<HTMLElement>(FOCUSABLE);

function focusRow(box: HTMLElement, index: number): boolean {
  const row = box.querySelector<HTMLElement>(`tr[data-index="${index}"]`);
  if (row === null) return false;
  opener(row)?.focus({ preventScroll: true });
  return true;
}

export function moveToRow(box: HTMLElement, index: number, rows: RowKeys): void {
  rows.show(index);
  // A row that was out of sight is in the page after the next drawing.
  if (!focusRow(box, index)) requestAnimationFrame(() => requestAnimationFrame(() => focusRow(box, index)));
}

export function onRowKey(event: KeyboardEvent<HTMLElement>, rows: RowKeys): void {
  if (event.ctrlKey || event.metaKey || event.altKey || rows.length === 0) return;
  const box = event.currentTarget;
  const at = rowOf(document.activeElement);
  const index = at === null ? -1 : Number(at.dataset.index);
  const last = rows.length - 1;
  const step = STEPS[event.key];
  const target = step !== undefined ? index + step : event.key === "Home" ? 0 : event.key === "End" ? last : undefined;
  if (event.key === "x" && at !== null) {
    at.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
    event.preventDefault();
  }
  if (target === undefined) return;
  event.preventDefault();
  moveToRow(box, Math.max(0, Math.min(last, target)), rows);
}
