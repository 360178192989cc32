import { Link } from "react-router";

import type { Message } from "@/api/operator";
import { orderIdOf } from "@/lib/messages";
import { Copy, Json, Time } from "@/ui/pieces";
import { Sheet } from "@/ui/Dialog";

/** Key, headers and payload of one message. */
export function MessageSheet({ message, onClose }: { message: Message; onClose: () => void }) {
  const { topic, partition, offset, timestamp, key, eventType, headers, payload, payloadEncoding } = message;
  const order = orderIdOf(payload);
  return (
    <Sheet open onClose={onClose} title={eventType ?? "Unreadable message"}>
      <dl className="facts">
        <dt>Topic</dt>
        <dd className="mono">{topic}</dd>
        <dt>Partition, offset</dt>
        <dd className="mono">
          {partition} : {offset}
        </dd>
        <dt>Time</dt>
        <dd>
          <Time at={timestamp} exact />
        </dd>
        <dt>Key</dt>
        <dd>
          <Copy text={key} />
        </dd>
        {order !== undefined && (
          <>
            <dt>Order</dt>
            <dd>
              <Link className="link mono" to={`/orders/${order}`}>
                {order}
              </Link>
            </dd>
          </>
        )}
      </dl>
      <section className="stack">
        <h3>Headers</h3>
        <dl className="facts mono">
          {Object.entries(headers).map(([name, value]) => (
            <div className="fact-line" key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section className="stack">
        <h3>
          Payload <span className="muted">({payloadEncoding})</span>
        </h3>
        <Json value={payload} label="Payload" />
      </section>
    </Sheet>
  );
}
