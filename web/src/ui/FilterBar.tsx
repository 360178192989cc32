/** A search box and filters beside it; where there is little room, they are behind a button. */
import { useState, type ReactNode } from "react";

import { Button } from "./controls";

interface Props {
  search: ReactNode;
  /** How many filters are set. */
  active: number;
  children: ReactNode;
  /** At the end of the bar, always in sight. */
  end?: ReactNode;
}

export function FilterBar({ search, active, children, end }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div className="filters" role="search">
      {search}
      <Button className="filters-toggle" icon="filter" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {active === 0 ? "Filters" : `Filters (${active})`}
      </Button>
      <div className={isOpen ? "filters-rest open" : "filters-rest"}>{children}</div>
      {end}
    </div>
  );
}
