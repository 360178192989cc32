/** Messages of a topic, as text. */
import type { Message } from "@/api/operator";

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

/** The order that a payload is about, if it says so. */
export function orderIdOf(payload: unknown): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { orderId } = payload as { orderId?: unknown };
  return typeof orderId === "string" && /^[0-9a-f]{24}$/i.test(orderId) ? orderId : undefined;
}
