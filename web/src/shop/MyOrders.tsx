import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";

import { NO_FILTERS, orderList } from "@/api/orders";
import { count, money, plural } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { useFreshRows } from "@/live/fresh";
import { Button } from "@/ui/controls";
import { Empty, Failed, Loading } from "@/ui/pieces";
import { Time } from "@/ui/Time";
import { StatusBadge } from "@/ui/status";

import { CancelButton } from "./CancelButton";
import { useShopper } from "./shopper";
import { Track } from "./Track";

export function MyOrders() {
  useTitle("My orders");
  const { customer } = useShopper();
  const list = useInfiniteQuery(orderList({ ...NO_FILTERS, userId: customer }));
  const orders = useMemo(() => list.data?.pages.flatMap((page) => page.data.orders) ?? [], [list.data]);
  const fresh = useFreshRows("orders");
  return (
    <div className="shop-page">
      <header className="page-head">
        <div>
          <h1>My orders</h1>
          <p className="lead">
            {list.data === undefined ? " " : `${plural(orders.length, "order")} of ${customer}, live`}
          </p>
        </div>
      </header>
      {list.isPending && <Loading rows={8} label="Loading your orders" />}
      {list.isError && list.data === undefined && <Failed error={list.error} retry={() => void list.refetch()} />}
      {list.data !== undefined && orders.length === 0 && (
        <Empty
          icon="orders"
          title="You have not ordered yet"
          action={
            <Link className="button primary" to="/shop">
              Look around
            </Link>
          }
        />
      )}
      <ul className="grid">
        {orders.map((order) => (
          <li
            key={order._id}
            className={`order-card ${fresh.has(order._id) ? "fresh" : ""}`}
            data-order={order.orderNumber}
          >
            <div className="row wrap">
              <Link className="link mono" to={`/shop/orders/${order._id}`}>
                {order.orderNumber}
              </Link>
              <StatusBadge order={order} />
              <span className="muted grow">
                <Time at={order.createdAt} />
              </span>
              <span className="price">{money(order.totalAmount, order.currency)}</span>
            </div>
            <p>{order.items.map((line) => `${count(line.quantity)} × ${line.productName}`).join(", ")}</p>
            <Track order={order} />
            <div className="row">
              <Link className="button small" to={`/shop/orders/${order._id}`}>
                Details
              </Link>
              <CancelButton order={order} />
            </div>
          </li>
        ))}
      </ul>
      {list.hasNextPage && (
        <div className="row">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show older ones
          </Button>
        </div>
      )}
    </div>
  );
}
