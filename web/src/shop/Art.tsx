import { Icon, type IconName } from "@/ui/Icon";

const ICONS: Record<string, IconName> = {
  electronics: "headphones",
  "home & kitchen": "kettle",
  books: "book",
  clothing: "shirt",
  "sports & outdoors": "ball",
  sports: "ball",
  beauty: "leaf",
  garden: "leaf",
  "office & stationery": "pen",
  office: "pen",
  stationery: "pen",
};
const HUES = 6;

/** One of the six tints; the same for the same text. */
export function hueOf(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9_973;
  return sum % HUES;
}

/** A drawing in place of a photograph: no picture is fetched from anywhere. */
export function Art({ category, isGone = false }: { category: string | null | undefined; isGone?: boolean }) {
  const name = (category ?? "").toLowerCase();
  return (
    <div className={`art h${hueOf(name)} ${isGone ? "gone" : ""}`} aria-hidden="true">
      <Icon name={ICONS[name] ?? "box"} size={64} />
    </div>
  );
}
