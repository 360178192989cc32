//! `GET /api/v1/orders/{id}/timeline`: every step that happened to an order, in order, with its cause.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::get;
use holdfast_contract::stock::Movement;
use holdfast_contract::{OrderId, OrderNumber, OrderStatus, StockStatus, Timestamp};
use holdfast_service::http::{ApiError, Caller, ErrorBody, PathId, SuccessBody, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::OrderRef;
use super::{Route, State, errors};
use crate::store::{Place, StepCause, TimelineStep};

/// An order's life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimelineData {
    /// Which order.
    #[schema(value_type = String, example = "691e66d0005e1b0c9a000001")]
    order_id: OrderId,
    /// Its number.
    #[schema(value_type = String, example = "ORD-05W4V6GA3Y001")]
    order_number: OrderNumber,
    /// What happened, oldest first.
    steps: Vec<StepBody>,
    /// How many steps.
    count: usize,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineStep)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepBody {
    /// `order_placed`, `status_changed`, `stock_changed`, `order_edited`, `answer_noted` (it came too late to change
    /// anything), `request_sent_again`.
    #[schema(example = "status_changed")]
    kind: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What made it happen.
    cause: CauseBody,
    /// The order's version after it.
    version: u64,
    /// The status before it, if it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>)]
    old_status: Option<OrderStatus>,
    /// The status after it.
    #[schema(value_type = u8)]
    status: OrderStatus,
    /// In words.
    status_label: &'static str,
    /// What Products had said after it.
    #[schema(value_type = super::schema::StockStatusWord)]
    stock_status: StockStatus,
    /// What moved in stock, as the answer says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<super::schema::MovementBody>)]
    movements: Vec<Movement>,
    /// Events that it sent.
    events: Vec<EventBody>,
    /// Live messages that it sent.
    live: Vec<LiveBody>,
}

/// Why a step happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineCause)]
// (Fields are renamed variant by variant: the API document does not see serde's `rename_all_fields`.)
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum CauseBody {
    /// Somebody asked for it.
    #[serde(rename_all = "camelCase")]
    Request {
        /// The request, as its answer named it in `x-request-id`.
        request_id: String,
        /// Who asked, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
    },
    /// A message arrived.
    #[serde(rename_all = "camelCase")]
    Event {
        /// Its id.
        event_id: String,
        /// Its topic.
        topic: &'static str,
        /// Its partition.
        partition: u16,
        /// Its offset.
        offset: u64,
    },
    /// The service itself.
    System,
}

/// An event with its place on the bus.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventBody {
    /// Its type.
    #[schema(example = "ORDER_CREATED")]
    event_type: &'static str,
    /// Its topic.
    #[schema(example = "order.created")]
    topic: &'static str,
    /// Its partition.
    partition: u16,
    /// Its offset; `null` until it was published.
    offset: Option<u64>,
}

/// A live message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineLive)]
#[serde(rename_all = "camelCase")]
pub(super) struct LiveBody {
    /// Which.
    #[schema(example = "order:created")]
    event: &'static str,
    /// What its `seq` begins with, up to the `~`; `null` until it was published.
    #[schema(example = "order.live/1/42")]
    seq: Option<String>,
    /// When it was stamped.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

pub(super) fn route() -> Route {
    Route { method: "GET", path: "/api/v1/orders/{id}/timeline", handler: get(handle) }
}

/// Get an order's timeline
#[utoipa::path(
    get, path = "/api/v1/orders/{id}/timeline", tag = "orders", operation_id = "getOrderTimeline",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$")),
    responses(
        (status = 200, description = "Every step, oldest first", body = SuccessBody<TimelineData>),
        (status = 400, description = "INVALID_ID", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody),
        (status = 503, description = "SERVICE_UNAVAILABLE", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    caller: Caller,
    PathId(OrderRef(id)): PathId<OrderRef>,
) -> Result<Response, ApiError> {
    let (order, timeline) = cases
        .timeline(id)
        .await
        .map_err(errors::store)?
        .filter(|(order, _)| caller.may_act_for(order.user_id.as_str()))
        .ok_or_else(errors::no_such_order)?;
    let mut steps = Vec::with_capacity(timeline.steps.len());
    let mut before: Option<(OrderStatus, StockStatus)> = None;
    for step in timeline.steps {
        let after = (step.status, step.stock);
        steps.push(body(step, before));
        before = Some(after);
    }
    let count = steps.len();
    let data = TimelineData { order_id: order.id, order_number: order.number(), steps, count };
    ok("Order timeline", &data)
}

fn body(step: TimelineStep, before: Option<(OrderStatus, StockStatus)>) -> StepBody {
    let kind = match before {
        _ if step.note && step.cause == StepCause::System => "request_sent_again",
        _ if step.note => "answer_noted",
        None => "order_placed",
        Some((status, _)) if status != step.status => "status_changed",
        Some((_, stock)) if stock != step.stock => "stock_changed",
        Some(_) => "order_edited",
    };
    let mut movements = Vec::new();
    let cause = match step.cause {
        StepCause::Request { request_id, subject } => {
            CauseBody::Request { request_id, subject: subject.map(|s| s.as_str().to_owned()) }
        }
        StepCause::Event(event) => {
            movements = event.movements;
            CauseBody::Event {
                event_id: event.event_id,
                topic: event.topic.name(),
                partition: event.partition,
                offset: event.offset,
            }
        }
        StepCause::System => CauseBody::System,
    };
    let at = step.at;
    let events = step.outgoing.into_iter().map(|sent| EventBody {
        event_type: sent.event_type,
        topic: sent.place.topic.name(),
        partition: sent.place.partition.0,
        offset: sent.place.offset,
    });
    let live = step.live.into_iter().map(|sent| {
        let Place { topic, partition, offset } = sent.place;
        let seq = offset.map(|offset| format!("{topic}/{partition}/{offset}"));
        LiveBody { event: sent.kind.event(), seq, at }
    });
    StepBody {
        kind,
        at,
        cause,
        version: step.version,
        old_status: before.map(|(status, _)| status).filter(|&status| status != step.status),
        status: step.status,
        status_label: step.status.label(),
        stock_status: step.stock,
        movements,
        events: events.collect(),
        live: live.collect(),
    }
}
