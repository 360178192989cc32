/** Which columns a table shows, how dense it is, and how times are written. */
import type { ColumnDef } from "@tanstack/react-table";
import { Popover } from "radix-ui";
import type { ReactNode } from "react";

import { prefer, setHidden, usePreferences } from "@/lib/preferences";
import { Button } from "@/ui/controls";

interface Props<T> {
  /** The table's, as `DataTable` has it. */
  name: string;
  columns: readonly ColumnDef<T>[];
}

/** Columns that can be left out: those with a name, but for the first, which opens the row. */
const optional = <T,>(columns: readonly ColumnDef<T>[]): { id: string; label: string }[] =>
  columns
    .flatMap(({ id, header }) => (id !== undefined && typeof header === "string" ? [{ id, label: header }] : []))
    .slice(1);

export function TableOptions<T>({ name, columns }: Props<T>) {
  const { density, times, hidden } = usePreferences();
  const unseen = hidden[name] ?? [];
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button icon="columns" label="Columns and rows" className="table-options" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover" align="end" sideOffset={4} aria-label="Columns and rows">
          <Group title="Columns">
            {optional(columns).map(({ id, label }) => (
              <Choice
                key={id}
                type="checkbox"
                label={label}
                checked={!unseen.includes(id)}
                onChange={(isShown) => setHidden(name, id, !isShown)}
              />
            ))}
          </Group>
          <Group title="Rows">
            <Choice
              type="radio"
              label="Normal"
              checked={density === "normal"}
              onChange={() => prefer({ density: "normal" })}
            />
            <Choice
              type="radio"
              label="Compact"
              checked={density === "compact"}
              onChange={() => prefer({ density: "compact" })}
            />
          </Group>
          <Group title="Times">
            <Choice
              type="radio"
              label="Clock"
              checked={times === "clock"}
              onChange={() => prefer({ times: "clock" })}
            />
            <Choice type="radio" label="Ago" checked={times === "ago"} onChange={() => prefer({ times: "ago" })} />
          </Group>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className="options">
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}

interface ChoiceProps {
  type: "checkbox" | "radio";
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

function Choice({ type, label, checked, onChange }: ChoiceProps) {
  return (
    <label className="option">
      <input className="checkbox" type={type} checked={checked} onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  );
}
