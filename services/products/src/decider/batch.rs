//! Batches of messages: sorted out, decided in order, committed with the positions.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_bus::triage::triage;
use holdfast_contract::event::{Body, Event};
use holdfast_contract::{OrderStatus, ProductId, ReservationId, Timestamp};
use holdfast_storage::{Advance, Record, StoreError};
use rustc_hash::FxHashMap;

use super::Writer;
use super::state::{State, answer};
use super::steps;
use crate::domain::{BrokenStock, Cause, Decision, Origin, Outcome};
use crate::store::{ProductStore, StockCommit};

/// The newest decision on each reservation that a batch is about.
pub(super) type Decisions = FxHashMap<ReservationId, Arc<Decision>>;

impl From<BrokenStock> for StoreError {
    fn from(broken: BrokenStock) -> Self {
        Self::Inconsistent(broken.to_string())
    }
}

/// What a message asks of us; `None` for one that is none of our business.
pub(super) fn reservation_of(event: &Event) -> Option<ReservationId> {
    match &event.body {
        Body::ReserveRequest(request) => Some(request.reservation_id),
        Body::ReleaseRequest(request) => Some(request.reservation_id),
        Body::OrderStatusChanged(change) if change.new_status == Some(OrderStatus::Shipped) => {
            Some(change.reservation_id)
        }
        _ => None,
    }
}

impl Writer {
    /// Decides a batch. On an error nothing of it has taken effect.
    pub(super) async fn batch(
        &mut self,
        records: &[Arc<Record>],
        advances: Vec<Advance>,
    ) -> Result<(), StoreError> {
        let at = self.now();
        let mut state = self.take_state().await?;
        let sorted = triage(PRODUCTS_GROUP, records, &state.parked, at);
        let mut commit =
            StockCommit { advances, park: sorted.park, outgoing: sorted.copies, ..Default::default() };
        let mut decisions = prepare(&mut state, self.store.as_ref(), &sorted.events).await?;
        for (record, event) in &sorted.events {
            decide(&mut state, &mut decisions, record, event, at, &mut commit)?;
        }
        state.settle(&mut commit, at);
        metrics::histogram!("products_batch_messages").record(records.len() as f64);
        let (made, park) = (commit.decisions.clone(), commit.park.clone());
        self.commit(commit).await?;
        state.parked.parked(&park);
        state.rest();
        self.state = Some(state);
        metrics::counter!("products_parked_messages_total").increment(park.len() as u64);
        let short: usize = made.iter().map(|decision| decision.shortages().len()).sum();
        metrics::counter!("products_stock_outs_total").increment(short as u64);
        for decision in made {
            steps::tell(&self.steps, &decision);
        }
        Ok(())
    }
}

/// Reads what deciding these messages needs: earlier decisions first, then every product that they or the messages name.
pub(super) async fn prepare(
    state: &mut State,
    store: &dyn ProductStore,
    events: &[(Arc<Record>, Event)],
) -> Result<Decisions, StoreError> {
    let mut known: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| reservation_of(event))
        .filter(|id| state.newest.is_some_and(|newest| *id <= newest))
        .collect();
    let mut decisions = Decisions::default();
    let mut products: Vec<ProductId> = Vec::new();
    if !known.is_empty() {
        known.sort_unstable();
        known.dedup();
        for decision in store.decisions(known).await? {
            products.extend(decision.movements().iter().map(|m| m.product));
            decisions.insert(decision.id, decision);
        }
    }
    for (_, event) in events {
        if let Body::ReserveRequest(request) = &event.body {
            products.extend(request.lines.iter().map(|l| l.product_id));
        }
    }
    state.learn(store, products).await?;
    Ok(decisions)
}

/// Decides one message, and puts the decision and its answer into `commit`.
pub(super) fn decide(
    state: &mut State,
    decisions: &mut Decisions,
    record: &Record,
    event: &Event,
    at: Timestamp,
    commit: &mut StockCommit,
) -> Result<(), BrokenStock> {
    let origin = Origin { cause: cause(record), at };
    let outcome = match &event.body {
        Body::ReserveRequest(request) => {
            let order = event.head.order_id;
            let conflict = order.is_some_and(|order| state.http_orders.contains_key(&order));
            state.desk.reserve(request, decisions.get(&request.reservation_id), conflict, &origin)?
        }
        Body::ReleaseRequest(request) => {
            let prior = decisions.get(&request.reservation_id);
            state.desk.release(request.reservation_id, request.shipped, prior, &origin)?
        }
        Body::OrderStatusChanged(change) if change.new_status == Some(OrderStatus::Shipped) => {
            let prior = decisions.get(&change.reservation_id);
            let Some(outcome) = state.desk.fulfil(change.reservation_id, prior, &origin)? else {
                // There is nothing that could be said: an answer carries a decision, and there is none.
                tracing::warn!(reservation = %change.reservation_id, "an order was shipped for which no stock was ever asked; left unanswered");
                metrics::counter!("products_shipments_without_reservation_total").increment(1);
                return Ok(());
            };
            outcome
        }
        _ => return Ok(()),
    };
    conclude(state, decisions, outcome, record.traceparent.as_ref(), commit);
    Ok(())
}

/// Puts a decision that was made and its answer into `commit`; of one that had been made, only the answer.
pub(super) fn conclude(
    state: &mut State,
    decisions: &mut Decisions,
    outcome: Outcome,
    traceparent: Option<&Bytes>,
    commit: &mut StockCommit,
) {
    match outcome {
        Outcome::Repeated(decision) => commit.outgoing.push(answer(&decision, traceparent)),
        Outcome::Decided(decision) => {
            commit.outgoing.push(answer(&decision, traceparent));
            state.newest = state.newest.max(Some(decision.id));
            decisions.insert(decision.id, decision.clone());
            commit.decisions.push(decision);
        }
    }
}

pub(super) fn cause(record: &Record) -> Cause {
    Cause::Event { topic: record.topic, partition: record.partition, offset: record.offset }
}
