/** Messages of a topic: where they are, and what they say as text. */
import type { Message, Topic } from "@/api/operator";

export interface Place {
  topic: string;
  partition: number;
  offset: number;
}

/** The address at which a message is shown. */
export const messagePath = ({ topic, partition, offset }: Place): string =>
  `/topics/${topic}?message=${partition}:${offset}`;

/** A message in one word, as an order's address has it to point at a moment: "order.created/2:17". */
export const addressOf = ({ topic, partition, offset }: Place): string => `${topic}/${partition}:${offset}`;

export function readAddress(text: string): Place | undefined {
  const [topic = "", place = ""] = text.split("/");
  return readPlace(topic, place);
}

/** What the address says of the message to show: "2:17". */
export function readPlace(topic: string, text: string): Place | undefined {
  const [, partition, offset] = /^(\d{1,5}):(\d{1,15})$/.exec(text) ?? [];
  return partition === undefined || offset === undefined
    ? undefined
    : { topic, partition: Number(partition), offset: Number(offset) };
}

export const textOf = (payload: unknown): string => (typeof payload === "string" ? payload : JSON.stringify(payload));

/** In every event, and shown elsewhere. */
const ENVELOPE = new Set(["eventId", "eventType", "orderId", "timestamp", "schemaVersion"]);
const PREVIEW = 240;

/** What is particular to a message, in one line. */
export function previewOf(payload: unknown): string {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload))
    return textOf(payload).slice(0, PREVIEW);
  const own = Object.entries(payload).filter(([name]) => !ENVELOPE.has(name));
  return own
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join("  ")
    .slice(0, PREVIEW);
}

/** Whether every word of `filter` is somewhere in the message; upper and lower case are the same. */
export function messageMatches(message: Message, filter: string): boolean {
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return true;
  const { key, eventType, headers, payload } = message;
  const all = `${key} ${eventType ?? ""} ${JSON.stringify(headers)} ${textOf(payload)}`.toLowerCase();
  return wanted.every((word) => all.includes(word));
}

const SCREENS: Readonly<Record<string, string>> = { orderId: "/orders/", productId: "/inventory/" };

/** Where a field of a payload leads, if it names an order or a product. */
export function placeOf(name: string, value: unknown): string | undefined {
  const screen = SCREENS[name];
  return screen !== undefined && typeof value === "string" && /^[0-9a-f]{24}$/i.test(value)
    ? `${screen}${value}`
    : undefined;
}

/** The order or the product that a payload is about, if it says so. */
export function subjectOf(payload: unknown): { what: string; id: string; to: string } | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  for (const [name, what] of [
    ["orderId", "Order"],
    ["productId", "Product"],
  ] as const) {
    const id = (payload as Record<string, unknown>)[name];
    const to = placeOf(name, id);
    if (to !== undefined) return { what, id: String(id), to };
  }
  return undefined;
}

/** How many messages came after those that are loaded, as the topic's ends say; of one partition, or of all. */
export function newerThan(loaded: readonly Message[], topic: Topic | undefined, partition?: number): number {
  const partitions = (topic?.partitions ?? []).filter((one) => partition === undefined || one.partition === partition);
  if (loaded.length === 0) return partitions.reduce((sum, one) => sum + one.messages, 0);
  return partitions.reduce((sum, { partition: number, endOffset }) => {
    const newest = loaded.find((message) => message.partition === number);
    // Of a partition that is not on the page all is older than the page.
    return newest === undefined ? sum : sum + Math.max(0, endOffset - newest.offset - 1);
  }, 0);
}
