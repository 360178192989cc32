import type { OrderFilters } from "@/api/orders";
import { useDraft } from "@/lib/hooks";
import { Button, Input, SearchBox, Select } from "@/ui/controls";
import { STATUSES } from "@/ui/status";

interface Props {
  filters: OrderFilters;
  onChange: (changes: Partial<OrderFilters>) => void;
}

export function OrderFilterBar({ filters, onChange }: Props) {
  const [search, setSearch] = useDraft(filters.search, (value) => onChange({ search: value }));
  const [userId, setUserId] = useDraft(filters.userId, (value) => onChange({ userId: value }));
  const isFiltered = filters.status !== "" || filters.userId !== "" || filters.search !== "";
  return (
    <div className="filters" role="search">
      <SearchBox label="Search orders" placeholder="Order number or product" value={search} onChange={setSearch} />
      <Select aria-label="Status" value={filters.status} onChange={(event) => onChange({ status: event.target.value })}>
        <option value="">Any status</option>
        {STATUSES.map((status) => (
          <option key={status.code} value={status.name}>
            {status.label}
          </option>
        ))}
      </Select>
      <div>
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
          const [sortBy, sortOrder] = event.target.value.split("-") as [
            OrderFilters["sortBy"],
            OrderFilters["sortOrder"],
          ];
          onChange({ sortBy, sortOrder });
        }}
      >
        <option value="date-desc">Newest first</option>
        <option value="date-asc">Oldest first</option>
        <option value="amount-desc">Largest amount</option>
        <option value="amount-asc">Smallest amount</option>
      </Select>
      {isFiltered && (
        <Button kind="ghost" icon="close" onClick={() => onChange({ status: "", userId: "", search: "" })}>
          Clear
        </Button>
      )}
    </div>
  );
}
