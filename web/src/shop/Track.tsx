import type { Order } from "@/api/orders";

interface Stop {
  label: string;
  state: "done" | "failed" | "";
}

/** Where an order is on its way. */
export function stopsOf(order: Pick<Order, "status" | "stockStatus" | "shippedAt">): Stop[] {
  const { status, stockStatus } = order;
  if (status === 5) {
    const end = stockStatus === "rejected" ? "Not available" : "Cancelled";
    const shipped: Stop[] = order.shippedAt == null ? [] : [{ label: "Shipped", state: "done" }];
    return [{ label: "Ordered", state: "done" }, ...shipped, { label: end, state: "failed" }];
  }
  const isHeld = stockStatus === "reserved" || stockStatus === "fulfilled";
  return [
    { label: "Ordered", state: "done" },
    { label: "Set aside", state: isHeld ? "done" : "" },
    { label: "Processing", state: status >= 2 ? "done" : "" },
    { label: "Shipped", state: status >= 3 ? "done" : "" },
    { label: "Delivered", state: status >= 4 ? "done" : "" },
  ];
}

export function Track({ order }: { order: Order }) {
  return (
    <ol className="track" aria-label="Progress">
      {stopsOf(order).map((stop) => (
        <li key={stop.label} className={stop.state} aria-current={stop.state === "" ? undefined : "step"}>
          {stop.label}
        </li>
      ))}
    </ol>
  );
}
