//! Poison stops nobody (contract, invariant 8): what of a batch can be processed, and what has to be parked.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::event::Event;
use holdfast_contract::{OrderId, Timestamp, Topic};
use holdfast_storage::{Group, Inbox, Outgoing, ParkCause, ParkedId, Record, StoreError, ToPark};
use rustc_hash::{FxHashMap, FxHashSet};

/// Which orders have parked messages, by topic.
///
/// Who has the database to itself may keep it in memory ([`ParkedOrders::load`]). Where several instances share one,
/// what is remembered may be old: another one may have parked a message of the order that came in a partition of its own
/// (a foreign writer chooses partitions as it likes), or replayed what was parked. There each batch looks its orders up
/// ([`ParkedOrders::among`]).
#[derive(Clone, Debug, Default)]
pub struct ParkedOrders(FxHashMap<(Topic, Bytes), usize>);

impl ParkedOrders {
    /// Reads what a group has parked.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn load(inbox: &dyn Inbox, group: Group) -> Result<Self, StoreError> {
        let mut parked = Self::default();
        let mut after: Option<ParkedId> = None;
        loop {
            let page = inbox.parked(group, after, 500).await?;
            let Some(last) = page.last() else { return Ok(parked) };
            after = Some(last.id);
            for message in page {
                if let Some(order) = message.order {
                    parked.add(message.record.topic, order);
                }
            }
        }
    }

    /// Looks up which orders of a batch have parked messages of the batch's topics. Do it after the batch was polled: who had
    /// the partitions before can then park nothing more that the position does not tell of.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn among(inbox: &dyn Inbox, group: Group, records: &[Arc<Record>]) -> Result<Self, StoreError> {
        let orders: FxHashSet<(Topic, Bytes)> =
            records.iter().filter_map(|record| Some((record.topic, order_of(record)?))).collect();
        if orders.is_empty() {
            return Ok(Self::default());
        }
        let found = inbox.parked_orders(group, orders.into_iter().collect()).await?;
        Ok(Self(found.into_iter().map(|order| (order, 1)).collect()))
    }

    fn add(&mut self, topic: Topic, order: Bytes) {
        *self.0.entry((topic, order)).or_default() += 1;
    }

    fn contains(&self, topic: Topic, order: &Bytes) -> bool {
        self.0.contains_key(&(topic, order.clone()))
    }

    /// Takes up what a durable commit parked.
    pub fn parked(&mut self, messages: &[ToPark]) {
        for message in messages {
            if let Some(order) = &message.order {
                self.add(message.record.topic, order.clone());
            }
        }
    }

    /// Takes up that a durable commit removed one parked message of an order.
    pub fn removed(&mut self, topic: Topic, order: &Bytes) {
        let key = (topic, order.clone());
        if let Some(count) = self.0.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }
}

/// A batch, sorted out.
#[derive(Debug, Default)]
pub struct Triaged {
    /// What can be processed, in order.
    pub events: Vec<(Arc<Record>, Event)>,
    /// What must be parked in the same commit.
    pub park: Vec<ToPark>,
    /// Copies of what is parked because of itself, for `<topic>.dlq`.
    pub copies: Vec<Outgoing>,
}

/// Sorts a batch out. Event types that this build does not know are passed over: a newer writer's, not poison.
pub fn triage(group: Group, records: &[Arc<Record>], parked: &ParkedOrders, at: Timestamp) -> Triaged {
    let mut sorted = Triaged::default();
    // Orders whose first poison is in this very batch.
    let mut fresh = ParkedOrders::default();
    for record in records {
        let order = order_of(record);
        let behind = order
            .as_ref()
            .is_some_and(|o| parked.contains(record.topic, o) || fresh.contains(record.topic, o));
        let cause = if behind {
            ParkCause::Behind
        } else {
            match Event::decode(record.topic, &record.payload) {
                Ok(Some(event)) => {
                    sorted.events.push((record.clone(), event));
                    continue;
                }
                Ok(None) => {
                    tracing::debug!(topic = %record.topic, offset = record.offset, "passed over an unknown event type");
                    continue;
                }
                Err(error) => ParkCause::Poison(chain(&error)),
            }
        };
        if let Some(order) = &order {
            fresh.add(record.topic, order.clone());
        }
        tracing::warn!(topic = %record.topic, partition = record.partition.0, offset = record.offset, ?cause, "parked a message");
        if let (Some(topic), ParkCause::Poison(_)) = (record.topic.dlq(), &cause) {
            sorted.copies.push(copy(topic, record, at));
        }
        sorted.park.push(ToPark { group, record: record.clone(), order, cause, at });
    }
    sorted
}

/// The largest key and payload of a copy together, in bytes: with its headers a broker takes it, whatever its limits are in
/// earnest. A copy that no broker takes would stop the relay. The parked message keeps everything.
const LARGEST_COPY: usize = 256 << 10;
/// The longest trace context that is one.
const LONGEST_TRACE: usize = 128;

/// A copy for others; of what is too large only where it is.
fn copy(topic: Topic, record: &Record, at: Timestamp) -> Outgoing {
    let traceparent = record.traceparent.clone().filter(|trace| trace.len() <= LONGEST_TRACE);
    let bytes = record.key.len() + record.payload.len();
    if bytes <= LARGEST_COPY {
        return Outgoing { topic, key: record.key.clone(), payload: record.payload.clone(), at, traceparent };
    }
    let Record { topic: from, partition, offset, .. } = record;
    let place = format!(
        "{{\"tooLargeForACopy\":{{\"topic\":\"{from}\",\"partition\":{partition},\"offset\":{offset},\"bytes\":{bytes}}}}}"
    );
    let key = if record.key.len() <= LARGEST_COPY { record.key.clone() } else { Bytes::new() };
    Outgoing { topic, key, payload: place.into(), at, traceparent }
}

/// The order that a message is about: its key, if that is an order id; else what a foreign writer's payload says.
fn order_of(record: &Record) -> Option<Bytes> {
    let keyed = std::str::from_utf8(&record.key).ok().and_then(|key| key.parse::<OrderId>().ok());
    match keyed {
        // Nearly always it is written as ours are, and shared.
        Some(order) => {
            let id = order.to_string();
            Some(if id.as_bytes() == &record.key[..] { record.key.clone() } else { id.into() })
        }
        None => Event::order_in(&record.payload).map(|order| order.to_string().into()),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
