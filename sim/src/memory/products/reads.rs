//! Queries.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{ProductId, ReservationId};
use holdfast_products::domain::{
    Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, OrderRef, Shelf,
};
use holdfast_products::store::{
    Book, Counters, HeldPage, IdempotencyRecord, ProductPage, ProductQuery, StockReads,
};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::StoreError;

use super::{MemoryProducts, Products};

impl Products {
    fn counters(&self) -> Counters {
        let held = self.http_held.iter().filter_map(|key| self.http.get(key)).map(|held| &held.order);
        Counters {
            last_movement: self.ledger.last().map(|movement| movement.id),
            newest_reservation: self.decisions.last_key_value().map(|(id, _)| *id),
            http_orders: held.filter(|order| order.order().is_some()).cloned().collect(),
        }
    }

    /// Newest first.
    fn movements(&self, product: ProductId, before: Option<MovementId>, limit: usize) -> Vec<LedgerMovement> {
        let ids = self.by_product.get(&product).map_or(&[][..], Vec::as_slice);
        let end = match before {
            None => ids.len(),
            // A cursor names one of the product's own movements.
            Some(before) => ids.binary_search(&before).unwrap_or(0),
        };
        let page = ids[..end].iter().rev().take(limit);
        page.filter_map(|id| self.movement(*id)).map(|movement| LedgerMovement::clone(movement)).collect()
    }

    /// In the order of (product, hold).
    pub(super) fn holds_after(&self, after: Option<(ProductId, HoldId)>) -> impl Iterator<Item = &Hold> {
        self.holds.range((after.map_or(Unbounded, Excluded), Unbounded)).map(|(_, hold)| hold)
    }
}

#[async_trait]
impl StockReads for MemoryProducts {
    async fn counters(&self) -> Result<Counters, StoreError> {
        self.inspect(|state| state.body.counters())
    }

    async fn shelves(&self, ids: Vec<ProductId>) -> Result<Vec<Shelf>, StoreError> {
        self.inspect(|state| ids.into_iter().filter_map(|id| state.body.shelf(id)).collect())
    }

    async fn list(&self, query: ProductQuery) -> Result<ProductPage, StoreError> {
        self.inspect(|state| {
            let Products { catalogue, stock, .. } = &state.body;
            catalogue.page(&query, |id| stock.get(&id).map(|stock| stock.level))
        })
    }

    async fn categories(&self) -> Result<Vec<String>, StoreError> {
        self.inspect(|state| state.body.catalogue.categories())
    }

    async fn sku_owner(&self, sku: String) -> Result<Option<ProductId>, StoreError> {
        self.inspect(|state| state.body.catalogue.owner(&sku))
    }

    async fn holds(
        &self,
        product: ProductId,
        after: Option<HoldId>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        let after = after.unwrap_or(HoldId(MovementId(0)));
        self.inspect(|state| {
            let rest = state.body.holds_after(Some((product, after)));
            rest.take_while(|hold| hold.product == product).take(limit).cloned().collect()
        })
    }

    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.inspect(|state| state.body.movements(product, before, limit))
    }

    async fn ledger(
        &self,
        after: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.inspect(|state| {
            let after = after.map_or(0, |id| id.0);
            let rest = state.body.ledger.iter().skip(usize::try_from(after).unwrap_or(usize::MAX));
            rest.take(limit).map(|movement| LedgerMovement::clone(movement)).collect()
        })
    }

    async fn open_holds(
        &self,
        after: Option<(ProductId, HoldId)>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        self.inspect(|state| state.body.holds_after(after).take(limit).cloned().collect())
    }

    async fn all_shelves(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Shelf>, StoreError> {
        self.inspect(|state| {
            let ids = state.body.catalogue.after(after);
            ids.filter_map(|id| state.body.shelf(id)).take(limit).collect()
        })
    }

    async fn decisions(&self, ids: Vec<ReservationId>) -> Result<Vec<Arc<Decision>>, StoreError> {
        self.inspect(|state| ids.iter().filter_map(|id| state.body.decisions.get(id).cloned()).collect())
    }

    async fn books(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Book>, StoreError> {
        self.inspect(|state| state.body.books(after, limit))
    }

    async fn held(&self, after: Option<ReservationId>, limit: usize) -> Result<HeldPage, StoreError> {
        self.inspect(|state| state.body.held(after, limit))
    }

    async fn http_reservation(
        &self,
        order: OrderRef,
        product: ProductId,
    ) -> Result<Option<HttpReservation>, StoreError> {
        self.inspect(|state| state.body.http.get(&(order.as_str().to_owned(), product)).cloned())
    }

    async fn idempotent(&self, scope: IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.inspect(|state| state.body.answers.get(&scope).cloned())
    }
}
