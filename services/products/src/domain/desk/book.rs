//! The ledger: every change of stock is a movement.

use std::sync::Arc;

use holdfast_contract::stock::MovementKind;
use holdfast_contract::{LineId, ProductId, Quantity};

use super::{BrokenStock, Desk, For, Origin, Shelf, StockChange};
use crate::domain::{Hold, HoldId, LedgerMovement, MovementId, StockLevel};

impl Desk {
    pub(super) fn open(
        &mut self,
        product: ProductId,
        quantity: Quantity,
        whom: &For<'_>,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let broken = |why: String| BrokenStock { product, why };
        let shelf = self.shelf(product).ok_or_else(|| broken("there is no such product".to_owned()))?;
        let level = shelf.level.hold(quantity).map_err(|e| broken(e.to_string()))?;
        let hold = HoldId(MovementId(self.last_movement + 1));
        self.effects.opened.push(Hold {
            id: hold,
            product,
            owner: whom.owner.clone(),
            line_id: whom.line,
            quantity,
            consumed: 0,
            at: origin.at,
        });
        self.record(product, MovementKind::Reserved, level, Some(hold), Some(whom), origin)
    }

    /// Closes the hold that `opened` opened.
    pub(super) fn close(
        &mut self,
        opened: &LedgerMovement,
        kind: MovementKind,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let product = opened.product;
        let broken = |why: String| BrokenStock { product, why };
        let (shelf, quantity) = self.subject(opened)?;
        let level = if kind == MovementKind::Fulfilled {
            shelf.level.fulfil(quantity)
        } else {
            shelf.level.release(quantity)
        };
        let level = level.map_err(|e| broken(e.to_string()))?;
        let hold = opened.hold.ok_or_else(|| broken(format!("{} opened no hold", opened.id)))?;
        self.effects.closed.push((product, hold));
        self.again(opened, kind, level, origin)
    }

    pub(super) fn take_back(
        &mut self,
        left: &LedgerMovement,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let (shelf, quantity) = self.subject(left)?;
        let level = shelf.level.take_back(quantity);
        self.again(left, MovementKind::Returned, level, origin)
    }

    pub(super) fn subject(&self, movement: &LedgerMovement) -> Result<(&Shelf, Quantity), BrokenStock> {
        let product = movement.product;
        let broken = |why: String| BrokenStock { product, why };
        let shelf = self.shelf(product).ok_or_else(|| broken("there is no such product".to_owned()))?;
        let quantity = Quantity::new(movement.quantity()).map_err(|e| broken(e.to_string()))?;
        Ok((shelf, quantity))
    }

    /// Records a movement for the same owner, line and hold as an earlier one.
    pub(super) fn again(
        &mut self,
        earlier: &LedgerMovement,
        kind: MovementKind,
        level: StockLevel,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let whom =
            earlier.owner.as_ref().map(|owner| For { owner, line: earlier.line_id.unwrap_or(LineId(1)) });
        self.record(earlier.product, kind, level, earlier.hold, whom.as_ref(), origin)
    }

    pub(super) fn record(
        &mut self,
        product: ProductId,
        kind: MovementKind,
        level: StockLevel,
        hold: Option<HoldId>,
        whom: Option<&For<'_>>,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let shelf = self.shelves.get_mut(&product).and_then(Option::as_mut);
        let shelf =
            shelf.ok_or_else(|| BrokenStock { product, why: "there is no such product".to_owned() })?;
        self.last_movement += 1;
        let (before, after) = (shelf.level.balances(), level.balances());
        let movement = Arc::new(LedgerMovement {
            id: MovementId(self.last_movement),
            previous: shelf.last_movement,
            product,
            product_name: shelf.product.details.name.clone(),
            owner: whom.map(|w| w.owner.clone()),
            line_id: whom.map(|w| w.line),
            kind,
            on_hand_delta: after.on_hand - before.on_hand,
            reserved_delta: after.reserved - before.reserved,
            hold,
            balances: after,
            cause: origin.cause.clone(),
            at: origin.at,
        });
        let from = shelf.level.version();
        shelf.level = level;
        shelf.last_movement = Some(movement.id);
        self.effects.movements.push(movement.clone());
        self.touch(product, Some(from), true);
        self.note(product);
        Ok(movement)
    }

    /// Makes sure that the product is among the changed ones; `from` counts only the first time.
    pub(super) fn touch(&mut self, id: ProductId, from: Option<u64>, moved: bool) {
        let Some(shelf) = self.shelves.get(&id).and_then(Option::as_ref) else { return };
        let effects = &mut self.effects.stock;
        let place = *self.touched.entry(id).or_insert_with(|| {
            effects.push(StockChange {
                product: id,
                name: shelf.product.details.name.clone(),
                from,
                level: shelf.level,
                last_movement: shelf.last_movement,
                moved,
            });
            effects.len() - 1
        });
        effects[place].moved |= moved;
    }

    /// Brings the product's entry among the changed ones up to date.
    pub(super) fn note(&mut self, id: ProductId) {
        let Some(shelf) = self.shelves.get(&id).and_then(Option::as_ref) else { return };
        let Some(change) = self.touched.get(&id).and_then(|&at| self.effects.stock.get_mut(at)) else {
            return;
        };
        change.level = shelf.level;
        change.last_movement = shelf.last_movement;
        if change.name != shelf.product.details.name {
            change.name = shelf.product.details.name.clone();
        }
    }
}
