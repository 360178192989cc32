/** An order's story as moments: who asked, what was committed, which events went out, what moved in stock, what was pushed. */
import type { TimelineStep } from "@/api/orders";

import { duration, plural, signed, words } from "./format";

export type MomentKind = "request" | "committed" | "event" | "stock" | "live";

export interface Moment {
  key: string;
  kind: MomentKind;
  what: string;
  detail: string;
  at: string;
  /** Milliseconds since the moment before; absent where it was the same commit. */
  gap?: number;
  failed: boolean;
  /** The first moment of a step. */
  starts: boolean;
  /** Where the message lies, if it is one. */
  place?: { topic: string; partition: number; offset: number };
}

const KINDS: Record<string, string> = {
  order_placed: "Order placed",
  status_changed: "Status changed",
  stock_changed: "Stock decided",
  order_edited: "Order edited",
  answer_noted: "Answer noted: too late to change anything",
  request_sent_again: "Asked for again",
};

/** What a story comes to: how long its first answer took, and how much it left behind. */
export function summaryOf(steps: readonly TimelineStep[]): string {
  const [placed] = steps;
  const decided = steps.find((step) => step.stockStatus !== "pending" && step.cause.type === "event");
  const events = steps.reduce((sum, step) => sum + step.events.length, 0);
  const movements = steps.reduce((sum, step) => sum + (step.movements?.length ?? 0), 0);
  const took =
    placed === undefined || decided === undefined
      ? "not decided yet"
      : `decided in ${duration(Math.max(0, Date.parse(decided.at) - Date.parse(placed.at)))}`;
  return `${took}, ${plural(events, "event")}, ${plural(movements, "stock movement")}`;
}

export function momentsOf(steps: readonly TimelineStep[]): Moment[] {
  const moments: Moment[] = [];
  let before: number | undefined;
  const add = (moment: Omit<Moment, "gap" | "key">) => {
    const at = Date.parse(moment.at);
    const gap = before === undefined ? undefined : Math.max(0, at - before);
    before = Math.max(at, before ?? at);
    moments.push({ ...moment, key: String(moments.length), ...(gap === undefined ? {} : { gap }) });
  };
  for (const step of steps) {
    const failed = step.stockStatus === "rejected" && step.kind !== "order_edited";
    add({ ...causeOf(step), at: step.at, failed: false, starts: true });
    for (const move of step.movements ?? []) {
      const amounts = [`on hand ${signed(move.onHandDelta)}`, `reserved ${signed(move.reservedDelta)}`].join(", ");
      add({
        kind: "stock",
        what: `${words(move.kind)}: ${move.productName}`,
        detail: `${amounts}; then ${move.balances.stock} available, ${move.balances.reserved} reserved`,
        at: step.at < move.at ? step.at : move.at,
        failed: false,
        starts: false,
      });
    }
    const status = `${step.statusLabel}, stock ${step.stockStatus}`;
    add({
      kind: "committed",
      what: KINDS[step.kind] ?? words(step.kind),
      detail: `committed as version ${step.version}: ${status}`,
      at: step.at,
      failed,
      starts: false,
    });
    for (const event of step.events) {
      const offset = event.offset ?? undefined;
      const { topic, partition } = event;
      add({
        kind: "event",
        what: event.eventType,
        detail: `${topic}, partition ${partition}, ${offset === undefined ? "not published yet" : `offset ${offset}`}`,
        at: step.at,
        failed: false,
        starts: false,
        ...(offset === undefined ? {} : { place: { topic, partition, offset } }),
      });
    }
    for (const live of step.live) {
      add({
        kind: "live",
        what: `Pushed live: ${live.event}`,
        detail: live.seq ?? "",
        at: live.at,
        failed: false,
        starts: false,
      });
    }
  }
  return moments;
}

function causeOf({ cause }: TimelineStep): Pick<Moment, "kind" | "what" | "detail" | "place"> {
  switch (cause.type) {
    case "request":
      return {
        kind: "request",
        what: "Request",
        detail: `${cause.requestId}${cause.subject == null ? "" : ` by ${cause.subject}`}`,
      };
    case "event": {
      const { topic, partition, offset } = cause;
      const detail = `${topic}, partition ${partition}, offset ${offset}`;
      return { kind: "event", what: "Answer from Products", detail, place: { topic, partition, offset } };
    }
    default:
      return { kind: "request", what: "The service itself", detail: "on its own clock" };
  }
}
