/** Listens to single keys, and shows what they do. */
import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { prefer, readPreferences, usePreferences } from "@/lib/preferences";
import { Sheet } from "@/ui/Dialog";

import { meaningOf, SHORTCUTS } from "./keymap";

const OPEN = "holdfast:shortcuts";
/** So long "g" waits for the key after it. */
const SEQUENCE_MS = 1_500;

export const openShortcuts = (): void => {
  window.dispatchEvent(new Event(OPEN));
};

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), select, textarea"));

const firstShown = (selector: string): HTMLElement | undefined =>
  [...document.querySelectorAll<HTMLElement>(selector)].find((element) => element.checkVisibility());

export function Shortcuts() {
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);
  const before = useRef({ key: "", at: 0 });
  useEffect(() => {
    const show = () => setOpen(true);
    const onKey = (event: KeyboardEvent) => {
      const { key, target } = event;
      const isOurs = !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
      if (!isOurs || isTyping(target) || document.querySelector("[role=dialog], [role=menu]") !== null) return;
      // Help is always there: it is where the others are switched on again.
      if (!readPreferences().shortcuts && key !== "?") return;
      const said = meaningOf(key, Date.now() - before.current.at < SEQUENCE_MS ? before.current.key : "");
      before.current = { key, at: Date.now() };
      if (said.do === "nothing" || said.do === "wait") return;
      // A table that has the focus goes through its rows by itself.
      if (said.do === "rows" && target instanceof Element && target.closest(".table-wrap") !== null) return;
      event.preventDefault();
      if (said.do === "help") show();
      if (said.do === "go") void navigate(said.to);
      if (said.do === "search") firstShown("input[type=search]")?.focus();
      if (said.do === "rows") firstShown("tr[data-index] a, tr[data-index] button")?.focus();
    };
    window.addEventListener(OPEN, show);
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener(OPEN, show);
      window.removeEventListener("keydown", onKey);
    };
  }, [navigate]);
  return isOpen ? <Help onClose={() => setOpen(false)} /> : null;
}

function Help({ onClose }: { onClose: () => void }) {
  const { shortcuts } = usePreferences();
  return (
    <Sheet open onClose={onClose} title="Keyboard shortcuts">
      <label className="option">
        <input
          className="checkbox"
          type="checkbox"
          checked={shortcuts}
          onChange={(event) => prefer({ shortcuts: event.target.checked })}
        />
        Single keys do something
      </label>
      {SHORTCUTS.map(({ title, shortcuts: some }) => (
        <section key={title} className="stack">
          <h3>{title}</h3>
          <dl className="keys">
            {some.map(({ keys, what }) => (
              <div className="fact-line" key={keys}>
                <dt>
                  {keys.split(" ").map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Sheet>
  );
}
