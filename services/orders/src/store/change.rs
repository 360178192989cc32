//! One order's part of a commit.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::event::{Body, Event};
use holdfast_contract::stock::Movement;
use holdfast_contract::text::UserId;
use holdfast_contract::{OrderStatus, Timestamp, Topic};
use holdfast_storage::{Outgoing, Record};

use crate::domain::{Changed, LiveKind, Order, view};

/// An event that caused a step, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepEvent {
    /// Its id: a repeated answer has the id of the first.
    pub event_id: String,
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: u64,
    /// What it says moved in stock.
    pub movements: Vec<Movement>,
}

impl StepEvent {
    /// Takes the place of `record` and the movements of `event`.
    pub fn of(record: &Record, event: &Event) -> Self {
        let movements = match &event.body {
            Body::StockReserved(body) => body.movements.clone(),
            Body::StockReleased(body) => body.movements.clone(),
            Body::StockFulfilled(body) => body.movements.clone(),
            _ => Vec::new(),
        };
        Self {
            event_id: event.head.event_id.clone(),
            topic: record.topic,
            partition: record.partition.0,
            offset: record.offset,
            movements,
        }
    }
}

/// Why a step happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepCause {
    /// Somebody asked for it.
    Request {
        /// The request's id, as its answer named it.
        request_id: String,
        /// Who asked, if that is known.
        subject: Option<UserId>,
    },
    /// A message arrived.
    Event(StepEvent),
    /// The service itself: an unanswered request was sent again.
    System,
}

/// What is known of the state before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its version: the stored one, or the commit fails.
    pub version: u64,
    /// Its status.
    pub status: OrderStatus,
    /// Whether it was hidden.
    pub hidden: bool,
}

impl Previous {
    fn of(order: &Order) -> Self {
        Self { version: order.version, status: order.status(), hidden: order.hidden }
    }
}

/// A new order, a new state of one, or a note in its history, with everything that goes out with it.
///
/// Everything is encoded when it is made, outside the store's writer.
#[derive(Clone, Debug)]
pub struct Change {
    pub(crate) order: Arc<Order>,
    pub(crate) view: Bytes,
    pub(crate) previous: Option<Previous>,
    pub(crate) cause: StepCause,
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Outgoing>,
    pub(crate) live: Vec<(LiveKind, Outgoing)>,
}

/// A [`Change`] taken apart, for a back-end that keeps it as it is.
#[derive(Clone, Debug)]
pub struct ChangeParts {
    /// The state after it.
    pub order: Arc<Order>,
    /// What must be stored for it to take effect; `None`: there is no such order yet.
    pub previous: Option<Previous>,
    /// Why it happened.
    pub cause: StepCause,
    /// When.
    pub at: Timestamp,
    /// Whether the state stays as it is, and only the history grows.
    pub note: bool,
    /// Its events.
    pub events: Vec<Outgoing>,
    /// Its live messages; they go out after the events.
    pub live: Vec<(LiveKind, Outgoing)>,
}

impl Change {
    /// A new order ([`crate::domain::place`]).
    pub fn insert(placed: Changed, cause: StepCause, traceparent: Option<Bytes>) -> Self {
        Self::new(None, placed, cause, traceparent)
    }

    /// A new state of `before` ([`crate::domain::decide()`]).
    pub fn update(before: &Order, changed: Changed, cause: StepCause, traceparent: Option<Bytes>) -> Self {
        Self::new(Some(Previous::of(before)), changed, cause, traceparent)
    }

    /// Nothing changes, but the order's history says that `cause` happened: an answer that came late, say.
    pub fn note(order: Arc<Order>, cause: StepCause, at: Timestamp) -> Self {
        let previous = Some(Previous::of(&order));
        Self { order, view: Bytes::new(), previous, cause, at, events: Vec::new(), live: Vec::new() }
    }

    /// Nothing changes, but `request` ([`crate::domain::outstanding_request`]) is sent again.
    pub fn resend(order: Arc<Order>, request: Body, at: Timestamp) -> Self {
        // The first request's id again: an order is placed at version 1.
        let version = if matches!(request, Body::ReserveRequest(_)) { 1 } else { order.version };
        let topic = request.topic();
        let payload = Event::about_order(order.id, version, at, request).encode().into();
        let key = Bytes::from(order.id.to_string());
        let mut change = Self::note(order, StepCause::System, at);
        change.events.push(Outgoing { topic, key, payload, at, traceparent: None });
        change
    }

    fn new(
        previous: Option<Previous>,
        changed: Changed,
        cause: StepCause,
        traceparent: Option<Bytes>,
    ) -> Self {
        let Changed { order, events, live } = changed;
        let at = order.updated_at;
        let key = Bytes::from(order.id.to_string());
        let outgoing = |topic, payload: Vec<u8>| Outgoing {
            topic,
            key: key.clone(),
            payload: payload.into(),
            at,
            traceparent: traceparent.clone(),
        };
        let events = events
            .into_iter()
            .map(|body| {
                let topic = body.topic();
                outgoing(topic, Event::about_order(order.id, order.version, at, body).encode())
            })
            .collect();
        let view = view::render(&order);
        let live = live
            .into_iter()
            .map(|live| {
                let deleted = order.hidden && live.kind == LiveKind::Updated;
                let payload = live_payload(live.kind, &view, deleted, &live.message, at);
                (live.kind, outgoing(Topic::OrderLive, payload))
            })
            .collect();
        Self { order: Arc::new(order), view, previous, cause, at, events, live }
    }

    /// The state after it.
    pub fn order(&self) -> &Arc<Order> {
        &self.order
    }

    /// The API's JSON of that state; empty for a note.
    pub fn view(&self) -> Bytes {
        self.view.clone()
    }

    /// Takes it apart.
    pub fn into_parts(self) -> ChangeParts {
        let note = self.is_note();
        let Self { order, previous, cause, at, events, live, .. } = self;
        ChangeParts { order, previous, cause, at, note, events, live }
    }

    /// What must be stored for it to take effect; `None`: there is no such order yet.
    pub fn previous(&self) -> Option<Previous> {
        self.previous
    }

    /// What goes out with it, in this order.
    pub fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        self.events.iter().chain(self.live.iter().map(|(_, outgoing)| outgoing))
    }

    /// Whether the state stays as it is, and only the history grows.
    pub(crate) fn is_note(&self) -> bool {
        self.previous.is_some_and(|p| p.version == self.order.version)
    }
}

/// `{"event":…,"order":…,"message":…,"timestamp":…}`, with the order's JSON spliced in; after it `"deleted":true` where
/// clients have to take the order off their lists.
fn live_payload(kind: LiveKind, view: &[u8], deleted: bool, message: &str, at: Timestamp) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = Vec::with_capacity(view.len() + message.len() + 110);
    out.extend_from_slice(b"{\"event\":\"");
    out.extend_from_slice(kind.event().as_bytes());
    out.extend_from_slice(b"\",\"order\":");
    out.extend_from_slice(view);
    if deleted {
        out.extend_from_slice(b",\"deleted\":true");
    }
    out.extend_from_slice(b",\"message\":");
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut out, message);
    let _ = write!(out, ",\"timestamp\":\"{at}\"}}");
    out
}
