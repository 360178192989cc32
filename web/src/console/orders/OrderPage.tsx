/** One order: what it is, and everything that happened to it. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearchParams } from "react-router";

import { orderOne, orderTimeline, type Order } from "@/api/orders";
import { money, words } from "@/lib/format";
import { readAddress } from "@/lib/messages";
import { summaryOf } from "@/lib/timeline";
import { useTitle } from "@/lib/hooks";
import { Copy } from "@/ui/Copy";
import { Failed, Loading, PageHead, Panel } from "@/ui/pieces";
import { Time } from "@/ui/Time";
import { StatusBadge, StockBadge } from "@/ui/status";

import { Lines } from "./Lines";
import { OrderActions } from "./OrderActions";
import { Shortages } from "./Shortages";
import { Timeline } from "./Timeline";

const CRUMBS = [{ to: "/orders", label: "Orders" }];

export function OrderPage() {
  const { id = "" } = useParams();
  const [params] = useSearchParams();
  const asked = useQuery(orderOne(id));
  const story = useQuery(orderTimeline(id));
  useTitle(asked.data?.orderNumber ?? "Order");
  if (asked.data === undefined) {
    return (
      <div className="page">
        <PageHead title="Order" crumbs={CRUMBS} />
        <Panel>
          {asked.isError ? <Failed error={asked.error} retry={() => void asked.refetch()} /> : <Loading rows={10} />}
        </Panel>
      </div>
    );
  }
  const order = asked.data;
  return (
    <div className="page">
      <PageHead title={<Copy text={order.orderNumber} />} crumbs={CRUMBS} lead={<States order={order} />}>
        <OrderActions order={order} />
      </PageHead>
      <Shortages order={order} />
      <div className="grid two">
        <div className="grid">
          <Panel title="Lines">
            <Lines order={order} />
          </Panel>
          <Panel
            title="Timeline"
            aside={story.data !== undefined && <span className="muted">{summaryOf(story.data.steps)}</span>}
          >
            <div className="panel-body">
              {story.data !== undefined && (
                <Timeline steps={story.data.steps} pointed={readAddress(params.get("at") ?? "")} />
              )}
              {story.isPending && <Loading rows={8} label="Loading the timeline" />}
              {story.isError && <Failed error={story.error} retry={() => void story.refetch()} />}
            </div>
          </Panel>
        </div>
        <Facts order={order} />
      </div>
    </div>
  );
}

function States({ order }: { order: Order }) {
  return (
    <span className="row wrap" role="status">
      <StatusBadge order={order} /> <StockBadge stock={order.stockStatus} />
      <span>
        {money(order.totalAmount, order.currency)} · placed <Time at={order.createdAt} />
      </span>
    </span>
  );
}

function Facts({ order }: { order: Order }) {
  const { shippingAddress: to } = order;
  const hasMetadata = Object.keys(order.metadata).length > 0;
  return (
    <Panel title="Details" padded>
      <dl className="facts">
        <dt>Customer</dt>
        <dd>
          <Link className="link" to={`/orders?userId=${encodeURIComponent(order.userId)}`}>
            {order.userId}
          </Link>
        </dd>
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
            <dd>
              <Copy text={order.trackingNumber} />
            </dd>
          </>
        )}
        {order.cancelReason != null && (
          <>
            <dt>Cancelled for</dt>
            <dd>{order.cancelReason}</dd>
          </>
        )}
        <dt>Id</dt>
        <dd>
          <Copy text={order._id} />
        </dd>
        <dt>Reservation</dt>
        <dd>
          <Copy text={order.reservationId} />
        </dd>
        <dt>Version</dt>
        <dd>{order.version}</dd>
        <dt>Updated</dt>
        <dd>
          <Time at={order.updatedAt} exact />
        </dd>
        {hasMetadata && (
          <>
            <dt>Metadata</dt>
            <dd className="mono">{JSON.stringify(order.metadata)}</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}
