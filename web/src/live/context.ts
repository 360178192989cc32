/** The app's one live connection, for components. */
import { createContext, useContext, useEffect, useRef, useSyncExternalStore } from "react";

import type { Order } from "@/api/orders";

import type { LiveConnection, LiveState } from "./connection";
import type { LiveMessage } from "./messages";
import type { Pulse, PulseStore } from "./pulse";

export interface Live {
  connection: LiveConnection;
  pulse: PulseStore;
}

export const LiveContext = createContext<Live | null>(null);

function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error("outside of the live context");
  return live;
}

export function useLiveState(): LiveState {
  const { connection } = useLive();
  return useSyncExternalStore(connection.watch, connection.state);
}

export function usePulse(): Pulse {
  const { pulse } = useLive();
  return useSyncExternalStore(pulse.watch, pulse.read);
}

/** Tells the pulse, once, what happened before the page was opened. */
export function useSeed(orders: readonly Order[] | undefined): void {
  const { pulse } = useLive();
  useEffect(() => {
    if (orders !== undefined) pulse.seed(orders);
  }, [pulse, orders]);
}

/** Calls `handler` with every batch, as long as the component is there. */
export function useLiveMessages(handler: (batch: readonly LiveMessage[]) => void): void {
  const { connection } = useLive();
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(
    () => connection.listen({ messages: (batch) => latest.current(batch), reload: () => undefined }),
    [connection],
  );
}
