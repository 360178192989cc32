import { Link } from "react-router";

import type { PulseEvent } from "@/live/pulse";
import { Empty, Panel } from "@/ui/pieces";
import { Time } from "@/ui/Time";

const TONES: Record<string, string> = {
  "order:created": "info",
  "order:updated": "good",
  "order:completed": "good",
  "order:status_changed": "info",
  "stock:changed": "",
};

/** What just happened, the newest first. */
export function Activity({ events }: { events: readonly PulseEvent[] }) {
  return (
    <Panel title="Activity" aside={<span className="muted">newest first</span>}>
      {events.length === 0 ? (
        <Empty icon="overview" title="Nothing has happened yet">
          Place an order, and every step of it appears here the moment it happens.
        </Empty>
      ) : (
        <ol className="feed scrolls">
          {events.map((event) => (
            <li key={event.key}>
              <span className={`dot ${event.bad ? "bad" : (TONES[event.event] ?? "warn")}`} />
              <Link
                className="clip"
                to={event.orderId === undefined ? `/inventory/${event.productId}` : `/orders/${event.orderId}`}
              >
                {event.text}
              </Link>
              <span className="muted nowrap">
                <Time at={event.at} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
