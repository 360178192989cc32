/** An order's story as its customer wants to hear it: one sentence for each thing that changed for them. */
import type { TimelineStep } from "@/api/orders";

export interface Sentence {
  at: string;
  text: string;
  bad: boolean;
}

const STATUS: Readonly<Record<number, string>> = {
  2: "It is being packed.",
  3: "It is on its way.",
  4: "It was delivered.",
  5: "It was cancelled.",
};
const STOCK: Readonly<Record<string, string>> = {
  reserved: "Everything in it was set aside for you.",
  released: "What was set aside went back onto the shelf.",
  returned: "Its goods came back.",
};
const REJECTED = "Not all of it was available, so it was cancelled. Nothing was taken.";

function sentenceOf(step: TimelineStep): string | undefined {
  switch (step.kind) {
    case "order_placed":
      return "You placed the order.";
    case "order_edited":
      return "Its address or its notes were changed.";
    case "status_changed":
      return step.stockStatus === "rejected" ? REJECTED : STATUS[step.status];
    case "stock_changed":
      return STOCK[step.stockStatus];
    default:
      return undefined;
  }
}

export function storyOf(steps: readonly TimelineStep[]): Sentence[] {
  return steps.flatMap((step) => {
    const text = sentenceOf(step);
    return text === undefined ? [] : [{ at: step.at, text, bad: text === REJECTED }];
  });
}
