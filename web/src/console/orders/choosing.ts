/** Which orders are chosen, for the boxes in the table: its columns stay the same whatever is chosen. */
import { createContext } from "react";

export interface Choosing {
  chosen: ReadonlySet<string>;
  allChosen: boolean;
  toggle: (id: string) => void;
  toggleAll: () => void;
}

export const ChoosingContext = createContext<Choosing>({
  chosen: new Set(),
  allChosen: false,
  toggle: () => undefined,
  toggleAll: () => undefined,
});
