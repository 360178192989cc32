//! The database of Orders, guarded.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{OrderId, Timestamp, Topic};
use holdfast_orders::domain::Order;
use holdfast_orders::store::{
    Commit, CommitError, Committed, Idempotency, IdempotencyRecord, IdempotencyScope, ListQuery, OrderReads,
    OrderStore, OrderWrites, Page, Timeline,
};
use holdfast_storage::{Group, Inbox, Parked, ParkedFilter, ParkedId, Position, StoreError, TopicPartition};

use super::Access;
use crate::oracle::OrdersCommit;

/// The database as one task sees it.
#[derive(Clone)]
pub(crate) struct GuardedOrders {
    store: Arc<dyn OrderStore>,
    inbox: Arc<dyn Inbox>,
    access: Access,
}

impl GuardedOrders {
    /// What `access` lets through.
    pub(crate) fn new(store: Arc<dyn OrderStore>, inbox: Arc<dyn Inbox>, access: Access) -> Self {
        Self { store, inbox, access }
    }
}

#[async_trait]
impl OrderWrites for GuardedOrders {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.access.before_commit().await?;
        let shown = OrdersCommit::of(&commit);
        let done = self.store.commit(commit).await;
        if done.is_ok() {
            self.access.oracle.orders_committed(&shown);
            self.access.after_commit().await?;
        }
        done
    }
}

#[async_trait]
impl OrderReads for GuardedOrders {
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        self.access.read().await?;
        self.store.get(id).await
    }

    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
        self.access.read().await?;
        self.store.get_many(ids).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.access.read().await?;
        self.store.list(query).await
    }

    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError> {
        self.access.read().await?;
        self.store.timeline(id).await
    }

    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError> {
        self.access.read().await?;
        self.store.scan(after, limit).await
    }

    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError> {
        self.access.read().await?;
        self.store.timelines(after, limit).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        self.access.read().await?;
        self.store.outstanding(before, after, limit).await
    }
}

#[async_trait]
impl Idempotency for GuardedOrders {
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.access.read().await?;
        self.store.idempotent(scope).await
    }

    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.access.read().await?;
        self.store.purge(before).await
    }
}

#[async_trait]
impl Inbox for GuardedOrders {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.access.read().await?;
        self.inbox.positions(group).await
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.access.read().await?;
        self.inbox.parked(group, after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.access.read().await?;
        self.inbox.parked_like(group, filter, after, limit).await
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.access.read().await?;
        self.inbox.parked_orders(group, orders).await
    }
}
