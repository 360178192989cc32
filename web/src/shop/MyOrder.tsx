import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";

import { orderOne, orderTimeline, type Order } from "@/api/orders";
import { count, money, sumOf, words } from "@/lib/format";
import { useTitle } from "@/lib/hooks";
import { Copy } from "@/ui/Copy";
import { Failed, Loading, Panel } from "@/ui/pieces";
import { Time } from "@/ui/Time";
import { StatusBadge } from "@/ui/status";

import { CancelButton } from "./CancelButton";
import { Story } from "./Story";
import { TakeWhatIsLeft } from "./TakeWhatIsLeft";
import { Track } from "./Track";

export function MyOrder() {
  const { id = "" } = useParams();
  const { data: order, error, isPending, refetch } = useQuery(orderOne(id));
  useTitle(order?.orderNumber ?? "Order");
  return (
    <div className="shop-page">
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link to="/shop/orders">My orders</Link> /
      </nav>
      {isPending && <Loading rows={8} label="Loading the order" />}
      {error !== null && order === undefined && <Failed error={error} retry={() => void refetch()} />}
      {order !== undefined && <Details order={order} />}
    </div>
  );
}

function Details({ order }: { order: Order }) {
  const { data: story } = useQuery(orderTimeline(order._id));
  const { shippingAddress: to } = order;
  return (
    <>
      <header className="page-head">
        <div>
          <h1>
            <Copy text={order.orderNumber} />
          </h1>
          <p className="lead row" role="status">
            <StatusBadge order={order} /> placed <Time at={order.createdAt} />
          </p>
        </div>
        <div className="actions">
          <CancelButton order={order} />
        </div>
      </header>
      <Track order={order} />
      <TakeWhatIsLeft order={order} />
      <div className="grid two">
        <div className="grid">
          <Panel title="Products" padded>
            <div className="sums">
              {order.items.map((line) => (
                <div className="fact-line" key={line.lineId}>
                  <span>
                    {count(line.quantity)} ×{" "}
                    <Link className="link" to={`/shop/products/${line.productId}`}>
                      {line.productName}
                    </Link>
                  </span>
                  <span>{money(sumOf([line], order.currency), order.currency)}</span>
                </div>
              ))}
              <span className="total">Total</span>
              <span className="total">{money(order.totalAmount, order.currency)}</span>
            </div>
          </Panel>
          {story === undefined ? (
            <Panel title="What happened">
              <Loading rows={6} label="Loading what happened" />
            </Panel>
          ) : (
            <Story steps={story.steps} />
          )}
        </div>
        <Panel title="Delivery" padded>
          <dl className="facts">
            <dt>Ship to</dt>
            <dd>
              {to.street}
              <br />
              {to.zipCode} {to.city}, {to.state}
              <br />
              {to.country}
            </dd>
            <dt>Payment</dt>
            <dd>
              {words(order.paymentMethod)}, {order.paymentStatus}
            </dd>
            {order.trackingNumber != null && (
              <>
                <dt>Tracking</dt>
                <dd>{order.trackingNumber}</dd>
              </>
            )}
            {order.cancelReason != null && (
              <>
                <dt>Cancelled for</dt>
                <dd>{words(order.cancelReason)}</dd>
              </>
            )}
          </dl>
        </Panel>
      </div>
    </>
  );
}
