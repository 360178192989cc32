//! What the service does for whoever asks: takes orders, changes them, finds them. HTTP is one way to ask.

mod change;
mod once;
mod open_orders;
mod place;

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::text::UserId;
use holdfast_contract::{Currency, OrderId};
use holdfast_service::http::{Caller, Running};
use holdfast_service::telemetry::chain;
use holdfast_service::traces::SpanKind;
use holdfast_service::{Clock, KeySource, Steps, Traces};
use holdfast_storage::{Places, StoreError, TopicPartition};
use metrics::Counter;

pub use change::{ChangeError, ChangeRefusal, ChangeRequest, Outcome, Render};
pub use once::{KeyReused, Once};
pub use open_orders::TooManyOpen;
pub use place::PlaceError;

use self::open_orders::OpenOrders;
use crate::domain::Order;
use crate::store::{
    Commit, CommitError, Committed, IdempotencyRecord, ListQuery, OrderStore, Page, Place, StepCause,
    Timeline,
};

/// What the use cases stand on.
pub struct Parts {
    /// The orders.
    pub store: Arc<dyn OrderStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub keys: Arc<dyn KeySource>,
    /// The currency of new orders.
    pub currency: Currency,
    /// Where the story of each order is told.
    pub steps: Steps,
    /// Where the broker has the records that the store's journal counts; `None` if the store's places are the bus's.
    pub places: Option<Arc<dyn Places>>,
}

/// The service's use cases. Made once; share it by `Arc`.
pub struct UseCases {
    pub(crate) store: Arc<dyn OrderStore>,
    pub(crate) clock: Arc<dyn Clock>,
    keys: Arc<dyn KeySource>,
    currency: Currency,
    steps: Steps,
    places: Option<Arc<dyn Places>>,
    running: Running,
    open_orders: OpenOrders,
    traces: Traces,
    counted: Counted,
}

/// Handles are kept, so that counting on the way of an order costs no look-up.
struct Counted {
    created: Counter,
    replayed: Counter,
    conflicts: Counter,
}

/// Who asks for a change, and what of that is kept with it.
#[derive(Debug)]
pub struct Asked {
    /// Who.
    pub caller: Caller,
    /// The request's id, as its answer names it.
    pub request_id: String,
    /// W3C trace context of the request.
    pub traceparent: Option<Bytes>,
    /// Its `Idempotency-Key`, if it has one.
    pub once: Option<Once>,
}

impl Asked {
    /// What the order's history will say.
    fn cause(&self) -> StepCause {
        // Without authentication nobody knows who it was.
        let known = self.caller != Caller::open();
        let subject = known.then(|| UserId::new(self.caller.subject()).ok()).flatten();
        StepCause::Request { request_id: self.request_id.clone(), subject }
    }
}

/// An answer as it is sent, and kept for an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Bytes,
    /// Whether it repeats an earlier one.
    pub replayed: bool,
}

impl From<IdempotencyRecord> for Answer {
    fn from(record: IdempotencyRecord) -> Self {
        Self { status: record.status, body: record.body, replayed: true }
    }
}

impl UseCases {
    /// Install the metrics recorder first: counters made before it count nothing.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, keys, currency, steps, places } = parts;
        let counted = Counted {
            created: metrics::counter!("orders_created_total"),
            replayed: metrics::counter!("orders_idempotent_replays_total"),
            conflicts: metrics::counter!("orders_version_conflicts_total"),
        };
        let (running, open_orders, traces) = (Running::new(), OpenOrders::limited(None), Traces::off());
        Self { store, clock, keys, currency, steps, places, running, open_orders, traces, counted }
    }

    /// With spans of what is committed.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// With a limit for the orders of a customer that hold stock or wait for it. Staff and other programs have none.
    #[must_use]
    pub fn with_open_orders(self, limit: Option<usize>) -> Self {
        Self { open_orders: OpenOrders::limited(limit), ..self }
    }

    /// Commits, as a part of what was asked.
    async fn commit(&self, commit: Commit, asked: &Asked) -> Result<Committed, CommitError> {
        let span =
            self.traces.part(asked.traceparent.as_deref(), SpanKind::Internal, || "commit to the store");
        let done = self.store.commit(commit).await;
        if let (Some(mut span), Err(error)) = (span, &done) {
            span.failed(chain(error));
        }
        done
    }

    /// The currency of new orders.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// An order; `None` if there is none, or it was deleted.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        Ok(self.store.get(id).await?.filter(|order| !order.hidden))
    }

    /// A page of a list.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.store.list(query).await
    }

    /// What happened to an order; `None` as in [`UseCases::get`].
    ///
    /// # Errors
    /// If the store fails.
    pub async fn timeline(&self, id: OrderId) -> Result<Option<(Arc<Order>, Timeline)>, StoreError> {
        let Some(order) = self.get(id).await? else { return Ok(None) };
        let Some(mut timeline) = self.store.timeline(id).await? else { return Ok(None) };
        if let Some(places) = &self.places {
            for step in &mut timeline.steps {
                for sent in &mut step.outgoing {
                    at_broker(&**places, &mut sent.place).await?;
                }
                for sent in &mut step.live {
                    at_broker(&**places, &mut sent.place).await?;
                }
            }
        }
        Ok(Some((order, timeline)))
    }
}

/// A place in the journal becomes one at the broker.
async fn at_broker(places: &dyn Places, place: &mut Place) -> Result<(), StoreError> {
    if let Some(offset) = place.offset {
        let partition = TopicPartition { topic: place.topic, partition: place.partition };
        place.offset = places.at_broker(partition, offset).await?;
    }
    Ok(())
}
