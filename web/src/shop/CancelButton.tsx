import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { cancelOrder, orderKeys, type Order } from "@/api/orders";
import { messageOf } from "@/api/problem";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { useToast } from "@/ui/toast";

export function CancelButton({ order }: { order: Order }) {
  const client = useQueryClient();
  const notify = useToast();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const cancel = useMutation({
    mutationFn: () => cancelOrder(order._id, reason),
    onSuccess: (cancelled) => {
      client.setQueryData(orderKeys.one(order._id), cancelled);
      setAsking(false);
    },
    onError: (error) => notify({ tone: "bad", title: "The order was not cancelled", text: messageOf(error) }),
  });
  if (order.status > 2) return null;
  return (
    <>
      <Button size="small" kind="danger" onClick={() => setAsking(true)}>
        Cancel order
      </Button>
      {asking && (
        <Dialog
          open
          onClose={() => setAsking(false)}
          title={`Cancel ${order.orderNumber}?`}
          description="What was set aside for you goes back on the shelf."
        >
          <Field label="Reason (optional)">
            {(field) => (
              <Input {...field} maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            )}
          </Field>
          <div className="ends">
            <Button onClick={() => setAsking(false)}>Keep it</Button>
            <Button kind="primary" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
              Cancel order
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
