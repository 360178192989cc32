/** Go to a screen, an order or a product by typing a part of its name: Ctrl K, or the box in the sidebar. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState, type KeyboardEvent } from "react";
import { useNavigate } from "react-router";

import { orders, products, unwrap } from "@/api/client";
import { useSettled } from "@/lib/hooks";
import { Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { Icon } from "@/ui/Icon";

import { placesFor, SCREENS, type Place } from "./places";

const OPEN = "holdfast:palette";
const SHOWN = 6;

export const openPalette = (): void => {
  window.dispatchEvent(new Event(OPEN));
};

export function Palette() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const show = () => setOpen(true);
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      show();
    };
    window.addEventListener(OPEN, show);
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener(OPEN, show);
      window.removeEventListener("keydown", onKey);
    };
  }, []);
  return open ? <Finder onClose={() => setOpen(false)} /> : null;
}

function useFound(text: string): Place[] {
  const search = useSettled(text.trim(), 150);
  const { data } = useQuery({
    queryKey: ["palette", search],
    queryFn: async ({ signal }) => {
      const query = { search, limit: SHOWN };
      const [some, goods] = await Promise.all([
        unwrap(orders.GET("/api/v1/orders", { params: { query }, signal })),
        unwrap(products.GET("/api/v1/products", { params: { query }, signal })),
      ]);
      return placesFor(some.data.orders, goods.data.products);
    },
    enabled: search.length >= 2,
  });
  const wanted = text.trim().toLowerCase();
  const screens = SCREENS.filter((screen) => screen.label.toLowerCase().includes(wanted));
  return [...screens, ...(search.length >= 2 ? (data ?? []) : [])];
}

function Finder({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const list = useId();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = useFound(text);
  const index = Math.min(at, Math.max(0, found.length - 1));
  const go = (place: Place | undefined) => {
    if (place === undefined) return;
    onClose();
    void navigate(place.to);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      setAt((index + step + found.length) % found.length);
    }
    if (event.key === "Enter") go(found[index]);
  };
  return (
    <Dialog open onClose={onClose} title="Go to">
      <Input
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={found.length === 0 ? undefined : `${list}-${index}`}
        aria-label="A screen, an order number or a product"
        placeholder="A screen, an order number or a product"
        maxLength={100}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div className="palette" role="listbox" id={list} aria-label="Found">
        {found.map((place, number) => (
          // The keyboard is at the text above it, which says which one is chosen.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div
            key={place.to}
            id={`${list}-${number}`}
            role="option"
            aria-selected={number === index}
            tabIndex={-1}
            onClick={() => go(place)}
          >
            <Icon name={place.icon} /> {place.label} <span className="muted">{place.note}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="muted">Nothing begins like that.</p>}
    </Dialog>
  );
}
