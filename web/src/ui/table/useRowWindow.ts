/** Which rows of a long table can be seen. Rows have one height, so that this costs the same for 50 rows and for 100,000. */
import { useLayoutEffect, useState, type RefObject } from "react";
import { flushSync } from "react-dom";

/** Rows beyond both edges that are drawn as well, so that one sees no edge. */
const AROUND = 16;
/** The window moves by so many rows at once: fewer drawings while one scrolls. */
const STEP = 8;
/** Of a table that has not been laid out yet. */
const FIRST_HEIGHT = 800;
/** The header stays above the rows. */
const HEADER_HEIGHT = 34;

export interface RowWindow {
  from: number;
  /** Not itself in the window. */
  to: number;
  /** Scrolls so far that a row can be seen. */
  show: (index: number) => void;
}

interface Options {
  count: number;
  rowHeight: number;
  /** Where to begin. */
  initialOffset: number;
}

const stepAt = (offset: number, rowHeight: number): number => Math.floor(offset / rowHeight / STEP) * STEP;

export function useRowWindow(
  scroller: RefObject<HTMLDivElement | null>,
  { count, rowHeight, initialOffset }: Options,
): RowWindow {
  const [top, setTop] = useState(() => stepAt(initialOffset, rowHeight));
  const [height, setHeight] = useState(FIRST_HEIGHT);
  const isEmpty = count === 0;

  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null || isEmpty) return;
    box.scrollTo({ top: initialOffset });
  }, [scroller, initialOffset, isEmpty]);

  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null || isEmpty) return;
    const measure = () => {
      setTop(stepAt(box.scrollTop, rowHeight));
      setHeight(box.clientHeight);
    };
    // Before the browser paints what was scrolled to; otherwise it would paint a gap first.
    const onScroll = () => flushSync(measure);
    measure();
    const resized = new ResizeObserver(measure);
    resized.observe(box);
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      resized.disconnect();
      box.removeEventListener("scroll", onScroll);
    };
  }, [scroller, rowHeight, isEmpty]);

  const show = (index: number) => {
    const box = scroller.current;
    if (box === null) return;
    const [above, below] = [index * rowHeight, (index + 1) * rowHeight + HEADER_HEIGHT - box.clientHeight];
    if (box.scrollTop > above) box.scrollTo({ top: above });
    else if (box.scrollTop < below) box.scrollTo({ top: below });
  };
  const seen = Math.ceil(height / rowHeight) + STEP;
  return {
    // A list that became shorter may end above where one was.
    from: Math.max(0, Math.min(top, count - seen) - AROUND),
    to: Math.min(count, Math.max(0, top) + seen + AROUND),
    show,
  };
}
