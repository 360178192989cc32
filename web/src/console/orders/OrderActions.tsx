import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { orderKeys, setStatus, type Order, type OrderStatus } from "@/api/orders";
import { messageOf } from "@/api/problem";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { STATUSES } from "@/ui/status";
import { useToast } from "@/ui/toast";

import { nextOf } from "./BulkBar";

/** The moves that the order can make from where it is. */
export function OrderActions({ order }: { order: Order }) {
  const [asked, setAsked] = useState<OrderStatus | null>(null);
  const able = nextOf(order);
  const all = STATUSES.find((status) => status.code === order.status)?.next ?? [];
  return (
    <>
      {all.map((code) => {
        const label = code === 5 ? "Cancel order" : `Set to ${STATUSES[code - 1]?.label ?? ""}`;
        const isHeld = able.includes(code);
        return (
          <Button
            key={code}
            kind={code === 5 ? "danger" : "primary"}
            disabled={!isHeld}
            title={isHeld ? undefined : "Its stock has to be reserved first"}
            onClick={() => setAsked(code)}
          >
            {label}
          </Button>
        );
      })}
      {asked !== null && <Move order={order} to={asked} onClose={() => setAsked(null)} />}
    </>
  );
}

function Move({ order, to, onClose }: { order: Order; to: OrderStatus; onClose: () => void }) {
  const client = useQueryClient();
  const notify = useToast();
  const [text, setText] = useState("");
  const isCancel = to === 5;
  const label = STATUSES[to - 1]?.label ?? "";
  const move = useMutation({
    mutationFn: () =>
      setStatus({
        id: order._id,
        status: to,
        reason: isCancel ? text || undefined : undefined,
        trackingNumber: to === 3 ? text || undefined : undefined,
      }),
    onSuccess: (changed) => {
      client.setQueryData(orderKeys.one(order._id), changed);
      void client.invalidateQueries({ queryKey: orderKeys.timeline(order._id) });
      notify({ title: `${changed.orderNumber} is ${changed.statusLabel}` });
      onClose();
    },
    onError: (error) => notify({ tone: "bad", title: "The order was not changed", text: messageOf(error) }),
  });
  const asks = isCancel ? "Reason (optional)" : to === 3 ? "Tracking number (optional)" : null;
  return (
    <Dialog
      open
      onClose={onClose}
      title={isCancel ? `Cancel ${order.orderNumber}?` : `Set ${order.orderNumber} to ${label}?`}
      description={
        isCancel ? "What it holds goes back into stock." : to === 3 ? "What it holds leaves the stock." : undefined
      }
    >
      {asks !== null && (
        <Field label={asks}>
          {(field) => (
            <Input {...field} maxLength={to === 3 ? 100 : 500} value={text} onChange={(e) => setText(e.target.value)} />
          )}
        </Field>
      )}
      <div className="ends">
        <Button onClick={onClose}>Back</Button>
        <Button kind="primary" disabled={move.isPending} onClick={() => move.mutate()}>
          {isCancel ? "Cancel order" : `Set to ${label}`}
        </Button>
      </div>
    </Dialog>
  );
}
