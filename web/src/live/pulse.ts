/** The last minutes as the live messages tell them: how many orders, how long they took to be decided, what happened. */
import type { Order } from "@/api/orders";
import { money } from "@/lib/format";

import { isOrderMessage, type LiveMessage, type OrderMessage } from "./messages";

/** Seconds that are kept. */
export const WINDOW = 120;
const MOST_TIMES = 2_000;
const MOST_EVENTS = 60;

export interface PulseEvent {
  key: string;
  at: string;
  event: string;
  text: string;
  orderId?: string;
  productId?: string;
  bad: boolean;
}

export interface Pulse {
  /** The second that the newest count is of. */
  second: number;
  /** Orders placed in each of the last `WINDOW` seconds; the newest last. */
  placed: readonly number[];
  /** Orders that were rejected in each of them. */
  rejected: readonly number[];
  /** Milliseconds from accepted to decided, of the newest decisions, in order of size. */
  times: readonly number[];
  events: readonly PulseEvent[];
}

/** Whether this tells of the order's first answer about its stock. A rejection sends two messages; one of them counts. */
export const isFirstDecision = ({ event, order }: Pick<OrderMessage, "event" | "order">): boolean =>
  order.version === 2 &&
  ((event === "order:updated" && order.stockStatus === "reserved") ||
    (event === "order:cancelled" && order.stockStatus === "rejected"));

/** Whether another message of the same change says it better: that it was cancelled, or completed. */
const isSaidBetter = (message: LiveMessage): boolean =>
  message.event === "order:status_changed" && message.order.status >= 4;

/** The value that a share `q` (0 to 1) of the sorted values does not exceed. */
export function quantile(sorted: readonly number[], q: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export class PulseStore {
  #placed = new Map<number, number>();
  #rejected = new Map<number, number>();
  #times: number[] = [];
  #events: PulseEvent[] = [];
  /** Orders that were counted as placed, until those from before are known: some are among both. */
  #counted: Set<string> | undefined = new Set();
  #snapshot: Pulse | undefined;
  readonly #watchers = new Set<() => void>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  add(batch: readonly LiveMessage[]): void {
    for (const message of batch) this.#take(message);
    if (this.#times.length > MOST_TIMES) this.#times = this.#times.slice(-MOST_TIMES);
    if (this.#events.length > MOST_EVENTS) this.#events = this.#events.slice(0, MOST_EVENTS);
    this.tick();
  }

  /** What happened before one came, as the newest orders tell it. Only the first time: later there are the messages. */
  readonly seed = (orders: readonly Order[]): void => {
    const counted = this.#counted;
    if (counted === undefined) return;
    this.#counted = undefined;
    const before = orders.filter((order) => !counted.has(order._id));
    for (const order of before) count(this.#placed, secondOf(order.createdAt));
    const decided = before.filter(isJustDecided);
    for (const order of decided) {
      this.#times.push(decisionTime(order));
      if (order.stockStatus === "rejected") count(this.#rejected, secondOf(order.updatedAt));
    }
    const events = [...before.map(placedEvent), ...decided.map(decidedEvent)];
    events.sort((a, b) => b.at.localeCompare(a.at));
    this.#events = [...this.#events, ...events].slice(0, MOST_EVENTS);
    this.tick();
  };

  /** Time has passed. */
  readonly tick = (): void => {
    this.#snapshot = undefined;
    for (const changed of this.#watchers) changed();
  };

  readonly watch = (changed: () => void): (() => void) => {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  };

  readonly read = (): Pulse => {
    this.#snapshot ??= {
      second: Math.floor(this.#now() / 1_000),
      placed: this.#series(this.#placed),
      rejected: this.#series(this.#rejected),
      times: [...this.#times].sort((a, b) => a - b),
      events: this.#events,
    };
    return this.#snapshot;
  };

  #take(message: LiveMessage): void {
    const second = secondOf(message.timestamp);
    const about: Pick<PulseEvent, "orderId" | "productId" | "bad"> = { bad: false };
    if (isOrderMessage(message)) {
      const { order } = message;
      about.orderId = order._id;
      about.bad = order.stockStatus === "rejected";
      if (message.event === "order:created") {
        count(this.#placed, second);
        this.#counted?.add(order._id);
      }
      if (isFirstDecision(message)) {
        this.#times.push(decisionTime(order));
        if (order.stockStatus === "rejected") count(this.#rejected, second);
      }
    } else {
      about.productId = message.product._id;
      about.bad = message.product.stock === 0;
    }
    if (isSaidBetter(message)) return;
    const { seq, timestamp, event, message: text } = message;
    this.#events = [
      { key: `${seq}${event}`, at: timestamp, event, text, ...about },
      ...this.#events.slice(0, MOST_EVENTS),
    ];
  }

  #series(counts: Map<number, number>): number[] {
    const last = Math.floor(this.#now() / 1_000);
    for (const second of counts.keys()) if (second <= last - WINDOW * 2) counts.delete(second);
    return Array.from({ length: WINDOW }, (_, index) => counts.get(last - WINDOW + 1 + index) ?? 0);
  }
}

const secondOf = (at: string): number => Math.floor(Date.parse(at) / 1_000);

const decisionTime = (order: Order): number => Math.max(0, Date.parse(order.updatedAt) - Date.parse(order.createdAt));

/** Whether nothing but the first answer has changed it: then it says itself when that was. */
const isJustDecided = (order: Order): boolean =>
  order.version === 2 && (order.stockStatus === "reserved" || order.stockStatus === "rejected");

const placedEvent = ({ _id, orderNumber, createdAt, totalAmount, currency }: Order): PulseEvent => ({
  key: `placed ${_id}`,
  at: createdAt,
  event: "order:created",
  text: `Order ${orderNumber} was placed: ${money(totalAmount, currency)}`,
  orderId: _id,
  bad: false,
});

const decidedEvent = ({ _id, orderNumber, updatedAt, stockStatus }: Order): PulseEvent => ({
  key: `decided ${_id}`,
  at: updatedAt,
  event: "order:updated",
  text: `The stock of order ${orderNumber} is ${stockStatus}`,
  orderId: _id,
  bad: stockStatus === "rejected",
});

function count(counts: Map<number, number>, second: number): void {
  counts.set(second, (counts.get(second) ?? 0) + 1);
}
