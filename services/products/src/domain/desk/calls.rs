//! What calls ask for: holds over HTTP, corrections, the catalogue.

use std::sync::Arc;

use holdfast_contract::stock::MovementKind;
use holdfast_contract::{LineId, ProductId, Quantity};

use super::{BrokenStock, Desk, For, Origin, Shelf};
use crate::domain::{HoldId, LedgerMovement, LevelRefusal, OrderRef, Owner, Product, Refusal, StockLevel};

impl Desk {
    /// Holds some of a product for an order id that came over HTTP.
    ///
    /// # Errors
    /// [`Refusal`], if there is not enough of it or it is not sold.
    pub fn hold_http(
        &mut self,
        product: ProductId,
        order: &OrderRef,
        quantity: Quantity,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, Refusal> {
        let shelf = self.shown(product)?;
        if !shelf.product.details.is_active {
            return Err(Refusal::ProductInactive);
        }
        let short = Refusal::InsufficientStock {
            requested: quantity.get().into(),
            available: shelf.level.available(),
        };
        let owner = Owner::Http(order.clone());
        self.open(product, quantity, &For { owner: &owner, line: LineId(1) }, origin).map_err(|_| short)
    }

    /// Gives back a hold that was made over HTTP.
    ///
    /// # Errors
    /// [`BrokenStock`].
    pub fn release_http(
        &mut self,
        product: ProductId,
        order: &OrderRef,
        quantity: Quantity,
        hold: HoldId,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let broken = |why: String| BrokenStock { product, why };
        let shelf = self.shelf(product).ok_or_else(|| broken("there is no such product".to_owned()))?;
        let level = shelf.level.release(quantity).map_err(|e| broken(e.to_string()))?;
        let owner = Owner::Http(order.clone());
        self.effects.closed.push((product, hold));
        let whom = For { owner: &owner, line: LineId(1) };
        self.record(product, MovementKind::Released, level, Some(hold), Some(&whom), origin)
    }

    /// Corrects what is on hand; `delta` 0 changes nothing.
    ///
    /// # Errors
    /// [`Refusal::StockHeld`] (without the holds' names), [`Refusal::TooMuch`], [`Refusal::ProductNotFound`].
    pub fn adjust(
        &mut self,
        product: ProductId,
        delta: i64,
        origin: &Origin,
    ) -> Result<Option<Arc<LedgerMovement>>, Refusal> {
        let level = self.shown(product)?.level;
        if delta == 0 {
            return Ok(None);
        }
        let level = level.adjust(delta).map_err(|refusal| match refusal {
            LevelRefusal::Held { reserved, remaining } => {
                Refusal::StockHeld { reserved, remaining, holds: Vec::new() }
            }
            _ => Refusal::TooMuch,
        })?;
        self.record(product, MovementKind::Adjusted, level, None, None, origin)
            .map(Some)
            .map_err(|_| Refusal::ProductNotFound(product))
    }

    /// Puts a new product on its shelf.
    ///
    /// # Errors
    /// [`Refusal::ProductExists`], [`Refusal::TooMuch`].
    pub fn create(&mut self, product: Arc<Product>, on_hand: u64, origin: &Origin) -> Result<(), Refusal> {
        let id = product.id;
        if self.shelf(id).is_some() {
            return Err(Refusal::ProductExists(id));
        }
        let full = StockLevel::new(on_hand).map_err(|_| Refusal::TooMuch)?;
        let empty = StockLevel::new(0).map_err(|_| Refusal::TooMuch)?;
        self.shelves.insert(id, Some(Shelf { product, level: empty, last_movement: None, hidden: false }));
        self.touch(id, None, on_hand > 0);
        if on_hand > 0 {
            self.record(id, MovementKind::Received, full, None, None, origin)
                .map_err(|_| Refusal::TooMuch)?;
        }
        self.note(id);
        Ok(())
    }

    /// Changes the product itself: its details, or that it is hidden.
    ///
    /// # Errors
    /// [`Refusal::ProductNotFound`].
    pub fn edit(&mut self, product: Arc<Product>, hidden: bool) -> Result<(), Refusal> {
        let id = product.id;
        let shelf = self.shelves.get_mut(&id).and_then(Option::as_mut).ok_or(Refusal::ProductNotFound(id))?;
        let from = shelf.level.version();
        *shelf = Shelf { product, level: shelf.level.touch(), hidden, ..shelf.clone() };
        self.touch(id, Some(from), false);
        self.note(id);
        Ok(())
    }
}
