/** Which rows have just changed, so that the eye finds them. */
import { useEffect, useState } from "react";

import { useLiveMessages } from "./context";
import { isOrderMessage } from "./messages";

const SHOWN_MS = 1_700;
/** Where everything changes, nothing is pointed at. */
const MOST = 40;

export function useFreshRows(of: "orders" | "products"): ReadonlySet<string> {
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useLiveMessages((batch) => {
    const ids = batch.flatMap((message) =>
      isOrderMessage(message)
        ? of === "orders"
          ? [message.order._id]
          : []
        : of === "products"
          ? [message.product._id]
          : [],
    );
    if (ids.length > 0 && ids.length <= MOST) setFresh(new Set(ids));
  });
  useEffect(() => {
    if (fresh.size === 0) return;
    const timer = setTimeout(() => setFresh(new Set()), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [fresh]);
  return fresh;
}
