//! The database of Products, guarded.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{ProductId, ReservationId, Timestamp, Topic};
use holdfast_products::domain::{
    Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, OrderRef, Shelf,
};
use holdfast_products::store::{
    Book, CommitError, Counters, HeldPage, IdempotencyRecord, ProductPage, ProductQuery, ProductStore,
    StockCommit, StockReads, StockWrites, Turn, Turns,
};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{Group, Inbox, Parked, ParkedFilter, ParkedId, Position, StoreError, TopicPartition};

use super::Access;

/// The database as one task sees it.
#[derive(Clone)]
pub(crate) struct GuardedProducts {
    store: Arc<dyn ProductStore>,
    access: Access,
}

impl GuardedProducts {
    /// What `access` lets through.
    pub(crate) fn new(store: Arc<dyn ProductStore>, access: Access) -> Self {
        Self { store, access }
    }
}

#[async_trait]
impl StockWrites for GuardedProducts {
    async fn commit(&self, commit: StockCommit) -> Result<(), CommitError> {
        self.access.before_commit().await?;
        let shown = commit.clone();
        self.store.commit(commit).await?;
        self.access.oracle.products_committed(&shown);
        self.access.after_commit().await?;
        Ok(())
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.access.read().await?;
        self.store.forget_idempotency(before).await
    }
}

#[async_trait]
impl StockReads for GuardedProducts {
    async fn counters(&self) -> Result<Counters, StoreError> {
        self.access.read().await?;
        self.store.counters().await
    }

    async fn shelves(&self, ids: Vec<ProductId>) -> Result<Vec<Shelf>, StoreError> {
        self.access.read().await?;
        self.store.shelves(ids).await
    }

    async fn list(&self, query: ProductQuery) -> Result<ProductPage, StoreError> {
        self.access.read().await?;
        self.store.list(query).await
    }

    async fn categories(&self) -> Result<Vec<String>, StoreError> {
        self.access.read().await?;
        self.store.categories().await
    }

    async fn sku_owner(&self, sku: String) -> Result<Option<ProductId>, StoreError> {
        self.access.read().await?;
        self.store.sku_owner(sku).await
    }

    async fn holds(
        &self,
        product: ProductId,
        after: Option<HoldId>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        self.access.read().await?;
        self.store.holds(product, after, limit).await
    }

    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.access.read().await?;
        self.store.movements(product, before, limit).await
    }

    async fn ledger(
        &self,
        after: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.access.read().await?;
        self.store.ledger(after, limit).await
    }

    async fn open_holds(
        &self,
        after: Option<(ProductId, HoldId)>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        self.access.read().await?;
        self.store.open_holds(after, limit).await
    }

    async fn all_shelves(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Shelf>, StoreError> {
        self.access.read().await?;
        self.store.all_shelves(after, limit).await
    }

    async fn decisions(&self, ids: Vec<ReservationId>) -> Result<Vec<Arc<Decision>>, StoreError> {
        self.access.read().await?;
        self.store.decisions(ids).await
    }

    async fn books(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Book>, StoreError> {
        self.access.read().await?;
        self.store.books(after, limit).await
    }

    async fn held(&self, after: Option<ReservationId>, limit: usize) -> Result<HeldPage, StoreError> {
        self.access.read().await?;
        self.store.held(after, limit).await
    }

    async fn http_reservation(
        &self,
        order: OrderRef,
        product: ProductId,
    ) -> Result<Option<HttpReservation>, StoreError> {
        self.access.read().await?;
        self.store.http_reservation(order, product).await
    }

    async fn idempotent(&self, scope: IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.access.read().await?;
        self.store.idempotent(scope).await
    }
}

#[async_trait]
impl Turns for GuardedProducts {
    async fn take_turn(&self) -> Result<Turn, StoreError> {
        self.access.read().await?;
        self.store.take_turn().await
    }

    async fn pass_turn(&self, turn: Turn) -> Result<bool, StoreError> {
        self.access.read().await?;
        self.store.pass_turn(turn).await
    }

    async fn end_turn(&self, turn: Turn) -> Result<(), StoreError> {
        self.access.read().await?;
        self.store.end_turn(turn).await
    }
}

#[async_trait]
impl Inbox for GuardedProducts {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.access.read().await?;
        self.store.positions(group).await
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.access.read().await?;
        self.store.parked(group, after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.access.read().await?;
        self.store.parked_like(group, filter, after, limit).await
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.access.read().await?;
        self.store.parked_orders(group, orders).await
    }
}
