//! What a check looks at in a Products store.

use std::sync::Arc;

use holdfast_contract::{ProductId, ReservationId};
use holdfast_products::domain::{
    Decision, Hold, HttpReservation, LedgerMovement, MovementId, Product, Shelf, StockLevel,
};

use super::super::view::View;
use super::Products;

impl<'a> View<'a, Products> {
    fn body(&self) -> &'a Products {
        &self.state.body
    }

    /// The products that the newest commit changed.
    pub fn changed(&self) -> &'a [ProductId] {
        &self.body().changed
    }

    /// Every product, hidden ones too, in the order of their ids.
    pub fn shelves(&self) -> impl Iterator<Item = Shelf> + use<'a> {
        let body = self.body();
        body.catalogue.all().filter_map(|(id, _)| body.shelf(id))
    }

    /// One product, also a hidden one.
    pub fn shelf(&self, id: ProductId) -> Option<Shelf> {
        self.body().shelf(id)
    }

    /// How much there is of a product.
    pub fn level(&self, id: ProductId) -> Option<StockLevel> {
        self.body().stock.get(&id).map(|stock| stock.level)
    }

    /// A product, also a hidden one.
    pub fn product(&self, id: ProductId) -> Option<&'a Arc<Product>> {
        self.body().catalogue.get(id).map(|entry| &entry.product)
    }

    /// The open holds, in the order of (product, hold).
    pub fn holds(&self) -> impl Iterator<Item = &'a Hold> + use<'a> {
        self.body().holds_after(None)
    }

    /// The open holds of a product, oldest first.
    pub fn holds_of(&self, product: ProductId) -> impl Iterator<Item = &'a Hold> + use<'a> {
        let oldest = (product, holdfast_products::domain::HoldId(MovementId(0)));
        self.body().holds_after(Some(oldest)).take_while(move |hold| hold.product == product)
    }

    /// The movements after `after`, in the order of their ids.
    pub fn movements(&self, after: Option<MovementId>) -> &'a [Arc<LedgerMovement>] {
        let after = usize::try_from(after.map_or(0, |id| id.0)).unwrap_or(usize::MAX);
        let ledger = &self.body().ledger;
        &ledger[after.min(ledger.len())..]
    }

    /// One movement.
    pub fn movement(&self, id: MovementId) -> Option<&'a Arc<LedgerMovement>> {
        self.body().movement(id)
    }

    /// Every decision, in the order of the reservations.
    pub fn decisions(&self) -> impl Iterator<Item = &'a Arc<Decision>> + use<'a> {
        self.body().decisions.values()
    }

    /// The decision on a reservation.
    pub fn decision(&self, id: ReservationId) -> Option<&'a Arc<Decision>> {
        self.body().decisions.get(&id)
    }

    /// The reservations over HTTP, in the order of (order, product).
    pub fn http_reservations(&self) -> impl Iterator<Item = &'a HttpReservation> + use<'a> {
        self.body().http.values()
    }

    /// How many answers to requests with an `Idempotency-Key` are kept.
    pub fn answers(&self) -> usize {
        self.body().answers.len()
    }

    /// Whose turn it is or was last: the number of the instance (in the order of their handles, from 1) and of the turn.
    /// `None` before the first, and of a store with one instance.
    pub fn turn(&self) -> Option<(u64, i64)> {
        self.body().turns.holder()
    }
}
