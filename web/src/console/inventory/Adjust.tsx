import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link } from "react-router";

import { adjustStock, freshKey, productKeys, type Product } from "@/api/products";
import { ApiProblem, messageOf } from "@/api/problem";
import { count, signed } from "@/lib/format";
import { Button, Field, Input } from "@/ui/controls";
import { Dialog } from "@/ui/Dialog";
import { useToast } from "@/ui/toast";

const REASONS = ["Delivery", "Counted again", "Damaged", "Lost"];

interface HeldBy {
  orderId: string;
  orderNumber?: string | null;
  quantity: number;
}

/** Corrects what is on hand, and says why. */
export function Adjust({ product, onClose }: { product: Product; onClose: () => void }) {
  const client = useQueryClient();
  const notify = useToast();
  const [change, setChange] = useState("");
  const [reason, setReason] = useState("");
  const attempt = useRef({ what: "", key: "", open: false });
  const delta = Number(change);
  const isWhole = change.trim() !== "" && Number.isInteger(delta) && delta !== 0;
  const adjust = useMutation({
    mutationFn: () => {
      // After no answer the same may have been done: with the same key it is not done twice. After a refusal, a new key.
      const what = `${delta} ${reason}`;
      if (attempt.current.what !== what || !attempt.current.open)
        attempt.current = { what, key: freshKey(), open: true };
      return adjustStock({ id: product._id, delta, reason, key: attempt.current.key });
    },
    onError: (error) => {
      attempt.current.open = !(error instanceof ApiProblem) || error.isPassing;
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: productKeys.all });
      notify({ title: `${product.name}: ${signed(delta)}`, text: reason });
      onClose();
    },
  });
  const { error } = adjust;
  const holds =
    error instanceof ApiProblem && Array.isArray(error.details.holds) ? (error.details.holds as HeldBy[]) : [];
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Adjust ${product.name}`}
      description={`${count(product.onHand)} on hand, of which ${count(product.reserved)} are held.`}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (isWhole && reason.trim() !== "") adjust.mutate();
        }}
      >
        <Field
          label="Change"
          hint={isWhole ? `${count(product.onHand + delta)} on hand after it` : "Such as 12, or −3"}
          problem={change !== "" && change !== "-" && !isWhole ? "A whole number other than 0" : undefined}
        >
          {(field) => (
            <Input
              {...field}
              type="number"
              step={1}
              required
              value={change}
              onChange={(event) => setChange(event.target.value)}
            />
          )}
        </Field>
        <Field label="Reason">
          {(field) => (
            <Input
              {...field}
              required
              maxLength={500}
              list="reasons"
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
        <datalist id="reasons">
          {REASONS.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
        {error !== null && (
          <div className="callout bad" role="alert">
            <div className="stack">
              <span>{messageOf(error)}</span>
              {holds.slice(0, 5).map((hold) => (
                <Link key={`${hold.orderId}${hold.quantity}`} className="link mono" to={`/orders/${hold.orderId}`}>
                  {count(hold.quantity)} for {hold.orderNumber ?? hold.orderId}
                </Link>
              ))}
            </div>
          </div>
        )}
        <div className="ends">
          <Button onClick={onClose}>Back</Button>
          <Button kind="primary" type="submit" disabled={!isWhole || reason.trim() === "" || adjust.isPending}>
            Adjust
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
