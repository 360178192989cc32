import type { ReactNode } from "react";

import { useDraft } from "@/lib/hooks";
import { words } from "@/lib/format";
import { Button, Input, SearchBox, Select } from "@/ui/controls";
import { FilterBar } from "@/ui/FilterBar";
import { STATUSES, STOCK_STATUSES } from "@/ui/status";

import { isNarrowing, type Filters } from "./narrow";

interface Props {
  filters: Filters;
  onChange: (changes: Partial<Filters>) => void;
  /** At the end of the bar. */
  children: ReactNode;
}

const PLACED: readonly [Filters["placed"], string][] = [
  ["", "Placed at any time"],
  ["hour", "In the last hour"],
  ["today", "Today"],
  ["day", "In the last 24 hours"],
  ["old", "Over a minute ago"],
];

export const isFiltered = (filters: Filters): boolean =>
  filters.status !== "" || filters.userId !== "" || filters.search !== "" || isNarrowing(filters);

export const CLEARED: Partial<Filters> = { status: "", userId: "", search: "", placed: "", stock: "" };

export function OrderFilterBar({ filters, onChange, children }: Props) {
  const [search, setSearch] = useDraft(filters.search, (value) => onChange({ search: value }));
  const [userId, setUserId] = useDraft(filters.userId, (value) => onChange({ userId: value }));
  const active = [filters.status, filters.stock, filters.placed, filters.userId].filter((set) => set !== "").length;
  return (
    <FilterBar
      active={active}
      search={
        <SearchBox label="Search orders" placeholder="Order number or product" value={search} onChange={setSearch} />
      }
      end={children}
    >
      <Select aria-label="Status" value={filters.status} onChange={(event) => onChange({ status: event.target.value })}>
        <option value="">Any status</option>
        {STATUSES.map((status) => (
          <option key={status.code} value={status.name}>
            {status.label}
          </option>
        ))}
      </Select>
      <Select aria-label="Stock" value={filters.stock} onChange={(event) => onChange({ stock: event.target.value })}>
        <option value="">Any stock</option>
        {STOCK_STATUSES.map((stock) => (
          <option key={stock} value={stock}>
            {words(stock)}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Placed"
        value={filters.placed}
        onChange={(event) => onChange({ placed: event.target.value as Filters["placed"] })}
      >
        {PLACED.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </Select>
      <div className="customer">
        <Input
          aria-label="Customer"
          placeholder="Customer id"
          maxLength={128}
          value={userId}
          onChange={(e) => setUserId(e.target.value)}
        />
      </div>
      <Select
        aria-label="Order by"
        value={`${filters.sortBy}-${filters.sortOrder}`}
        onChange={(event) => {
          const [sortBy, sortOrder] = event.target.value.split("-") as [Filters["sortBy"], Filters["sortOrder"]];
          onChange({ sortBy, sortOrder });
        }}
      >
        <option value="date-desc">Newest first</option>
        <option value="date-asc">Oldest first</option>
        <option value="amount-desc">Largest amount</option>
        <option value="amount-asc">Smallest amount</option>
      </Select>
      {isFiltered(filters) && (
        <Button kind="ghost" icon="close" onClick={() => onChange(CLEARED)}>
          Clear
        </Button>
      )}
    </FilterBar>
  );
}
