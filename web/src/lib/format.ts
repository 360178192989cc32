/** How numbers, times and names are written. */
const whole = new Intl.NumberFormat("en-US");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });
const dayAndYear = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });

export const count = (value: number): string => whole.format(value);

/** "+3", "−2", "0", with a real minus. */
export const signed = (value: number): string =>
  value > 0 ? `+${whole.format(value)}` : value < 0 ? `−${whole.format(-value)}` : "0";

const currencies = new Map<string, Intl.NumberFormat>();

export function money(amount: number, currency: string): string {
  let format = currencies.get(currency);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { style: "currency", currency });
    currencies.set(currency, format);
  }
  return format.format(amount);
}

/** How many decimals amounts of a currency have. */
export function decimals(currency: string): number {
  const options = new Intl.NumberFormat("en-US", { style: "currency", currency }).resolvedOptions();
  return options.maximumFractionDigits ?? 2;
}

/** The exact sum of lines, computed in minor units: 3 × 29.99 is 89.97, and not 89.96999. */
export function sumOf(lines: readonly { price: number; quantity: number }[], currency: string): number {
  const factor = 10 ** decimals(currency);
  const minor = lines.reduce((sum, line) => sum + Math.round(line.price * factor) * line.quantity, 0);
  return minor / factor;
}

/** "14:03:22" today, "03 Nov, 14:03:22" earlier. */
export function time(iso: string, now = new Date()): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  const date = at.getFullYear() === now.getFullYear() ? day.format(at) : dayAndYear.format(at);
  return `${date}, ${clock.format(at)}`;
}

/** With milliseconds: for what happens within one. */
export function exactTime(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  return `${clock.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** "3 ms", "1.2 s", "4 min", "2 h", "3 d" */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** "just now", "12 s ago" */
export function ago(iso: string, now = Date.now()): string {
  const passed = now - Date.parse(iso);
  return Number.isNaN(passed) ? iso : passed < 1_500 ? "just now" : `${duration(passed)} ago`;
}

/** "credit_card" as "Credit card". */
export function words(code: string): string {
  const text = code.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "1 order", "2 orders" */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** A rate for a tile: whole numbers from 10 on. */
export const rate = (value: number): string => (value >= 10 ? count(Math.round(value)) : value.toFixed(1));
