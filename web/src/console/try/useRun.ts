/** Places many orders, a few at a time, and counts what becomes of them. */
import { useCallback, useEffect, useRef, useState } from "react";

import { placeOrder, type NewOrder } from "@/api/orders";
import { messageOf } from "@/api/problem";
import { eachOf } from "@/lib/pool";

/** Browsers open six connections to a server; one is left for the rest of the page. */
const AT_ONCE = 5;
const SHOWN_EVERY_MS = 100;

export interface Run {
  wanted: number;
  placed: number;
  failed: number;
  problem: string;
  seconds: number;
  isOver: boolean;
}

export function useRun() {
  const [run, setRun] = useState<Run | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);

  const start = useCallback(async (wanted: number, next: () => NewOrder | undefined) => {
    stop.current?.abort();
    const stopped = new AbortController();
    stop.current = stopped;
    const begun = performance.now();
    const now: Run = { wanted, placed: 0, failed: 0, problem: "", seconds: 0, isOver: false };
    const show = () => setRun({ ...now, seconds: (performance.now() - begun) / 1_000 });
    show();
    const clock = setInterval(show, SHOWN_EVERY_MS);
    await eachOf(
      Array.from({ length: wanted }, (_, index) => index),
      AT_ONCE,
      async () => {
        const order = next();
        if (order === undefined) return;
        try {
          await placeOrder(order);
          now.placed += 1;
        } catch (error) {
          now.failed += 1;
          now.problem = messageOf(error);
        }
      },
      stopped.signal,
    );
    clearInterval(clock);
    now.isOver = true;
    show();
  }, []);

  return { run, start, cancel: () => stop.current?.abort() };
}
