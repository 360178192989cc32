import type { FromBoth } from "@/api/operator";
import { messageOf } from "@/api/problem";
import { words } from "@/lib/format";

/** The services that did not answer, where the other's part is shown. */
export function Away({ from = [] }: { from: FromBoth<unknown>["away"] | undefined }) {
  return from.map(({ service, error }) => (
    <div className="callout warn" role="alert" key={service}>
      {words(service)} does not answer: {messageOf(error)}
    </div>
  ));
}
