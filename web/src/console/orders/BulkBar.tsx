/** What can be done with the chosen orders at once. */
import { useState } from "react";

import { setStatus, type Order, type OrderStatus } from "@/api/orders";
import { messageOf } from "@/api/problem";
import { plural } from "@/lib/format";
import { eachOf } from "@/lib/pool";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { STATUSES } from "@/ui/status";
import { useToast } from "@/ui/toast";

interface Props {
  orders: readonly Order[];
  onDone: () => void;
}

const AT_ONCE = 4;

export function BulkBar({ orders, onDone }: Props) {
  const notify = useToast();
  const [asked, setAsked] = useState<OrderStatus | null>(null);
  const [reason, setReason] = useState("");
  const [done, setDone] = useState<number | null>(null);
  const target = STATUSES.find((status) => status.code === asked);
  const able = (code: OrderStatus) => orders.filter((order) => nextOf(order).includes(code));

  const run = async () => {
    if (target === undefined) return;
    const moved = able(target.code);
    const problems: string[] = [];
    setDone(0);
    await eachOf(moved, AT_ONCE, async (order) => {
      try {
        await setStatus({ id: order._id, status: target.code, reason: reason || undefined });
      } catch (error) {
        problems.push(`${order.orderNumber}: ${messageOf(error)}`);
      }
      setDone((n) => (n ?? 0) + 1);
    });
    setDone(null);
    setAsked(null);
    const [first] = problems;
    if (first === undefined) notify({ title: `${plural(moved.length, "order")} set to ${target.label}` });
    else notify({ tone: "bad", title: `${plural(problems.length, "order")} could not be changed`, text: first });
    onDone();
  };

  return (
    <div className="selection" role="region" aria-label="Chosen orders">
      <span className="strong">{plural(orders.length, "order")} chosen</span>
      {STATUSES.slice(1).map((status) => {
        const count = able(status.code).length;
        return (
          <Button
            key={status.code}
            size="small"
            kind={status.code === 5 ? "danger" : "plain"}
            disabled={count === 0}
            onClick={() => setAsked(status.code)}
          >
            {status.code === 5 ? "Cancel" : `Set to ${status.label}`} ({count})
          </Button>
        );
      })}
      <Button size="small" kind="ghost" onClick={onDone}>
        Clear
      </Button>
      {target !== undefined && (
        <Dialog
          open
          onClose={() => setAsked(null)}
          title={`Set ${plural(able(target.code).length, "order")} to ${target.label}?`}
          description={
            able(target.code).length < orders.length
              ? `${plural(orders.length - able(target.code).length, "order")} cannot go there from where they are, and stay as they are.`
              : undefined
          }
        >
          <Field label="Reason (optional)">
            {(field) => (
              <Input {...field} maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            )}
          </Field>
          {done !== null && <progress value={done} max={able(target.code).length} aria-label="Progress" />}
          <div className="ends">
            <Button onClick={() => setAsked(null)}>Keep as they are</Button>
            <Button kind="primary" disabled={done !== null} onClick={() => void run()}>
              {target.code === 5 ? "Cancel them" : `Set to ${target.label}`}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** 1→2 and 2→3 need stock that is held. */
export function nextOf(order: Pick<Order, "status" | "stockStatus">): readonly OrderStatus[] {
  const next = STATUSES.find((status) => status.code === order.status)?.next ?? [];
  const isHeld = order.stockStatus === "reserved";
  return next.filter((code) => (code === 2 || code === 3 ? isHeld : true));
}
