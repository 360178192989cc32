//! Reading orders, and stored answers.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{OrderId, Timestamp};
use holdfast_orders::domain::Order;
use holdfast_orders::store::{
    Idempotency, IdempotencyRecord, IdempotencyScope, ListQuery, OrderReads, Page, Timeline,
};
use holdfast_storage::StoreError;

use super::super::Outlet;
use super::super::outbox::Published;
use super::history::Step;
use super::{Entry, MemoryOrders};

/// Stored answers deleted by one `purge`.
const PURGE: usize = 2_000;

impl Entry {
    /// `relayed`: with the places that a relay recorded, else with those in the journal.
    fn timeline(&self, published: &Published, relayed: bool) -> Timeline {
        let place = |step: &Step| if relayed { step.at_broker(published) } else { step.in_journal().clone() };
        Timeline { order: self.order.clone(), steps: self.steps.iter().map(place).collect() }
    }
}

#[async_trait]
impl OrderReads for MemoryOrders {
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        self.inspect(|state| state.body.get(id).cloned())
    }

    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
        self.inspect(|state| ids.iter().map(|id| state.body.get(*id).cloned()).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.inspect(|state| state.body.lists.page(query, |id| state.body.get(id)))
    }

    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError> {
        let relayed = self.options().outlet == Outlet::Outbox;
        self.inspect(|state| {
            state.body.entries.get(&id).map(|entry| entry.timeline(&state.published, relayed))
        })
    }

    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError> {
        let relayed = self.options().outlet == Outlet::Outbox;
        self.inspect(|state| {
            let rest = state.body.entries.range((after.map_or(Unbounded, Excluded), Unbounded));
            rest.take(limit).map(|(_, entry)| entry.timeline(&state.published, relayed)).collect()
        })
    }

    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError> {
        self.inspect(|state| {
            let rest = state.body.entries.range((after.map_or(Unbounded, Excluded), Unbounded));
            rest.take(limit).map(|(_, entry)| entry.order.clone()).collect()
        })
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        let relayed = self.options().outlet == Outlet::Outbox;
        self.inspect(|state| {
            let rest = state.body.waiting.range((after.map_or(Unbounded, Excluded), Unbounded));
            // Keys are in the order of time: later ones were not even placed before `before`.
            let placed = |id: &OrderId| i64::try_from(id.key().unix_millis()).unwrap_or(i64::MAX);
            let due = rest
                .take_while(|id| placed(id) <= before.as_millis())
                .filter_map(|id| state.body.entries.get(id))
                .filter(|entry| entry.order.updated_at < before)
                // What waits to be published is not forgotten.
                .filter(|entry| {
                    !relayed || entry.last_record == 0 || state.published.place(entry.last_record).is_some()
                });
            due.take(limit).map(|entry| entry.order.clone()).collect()
        })
    }
}

#[async_trait]
impl Idempotency for MemoryOrders {
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.inspect(|state| state.body.answers.get(scope).cloned())
    }

    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.tend(|state| state.body.answers.forget(before, PURGE))
    }
}
