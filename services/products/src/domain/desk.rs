//! Applies decisions to the stock at hand, and writes down what has to be stored. Pure: what it is not told, it does
//! not know.

use std::sync::Arc;

use holdfast_contract::event::ReserveRequest;
use holdfast_contract::stock::{MovementKind, RejectReason};
use holdfast_contract::text::Name;
use holdfast_contract::{LineId, ProductId, Quantity, ReservationId, Timestamp};
use rustc_hash::FxHashMap;
use thiserror::Error;

use super::decision::{Decision, Held, Rejected, Reservation, Settled};
use super::demand::{Verdict, decide_reserve};
use super::level::StockLevel;
use super::movement::{Cause, Hold, HoldId, LedgerMovement, MovementId, OrderRef, Owner};
use super::product::{Product, ProductView};
use super::refusal::Refusal;

/// A product, what there is of it, and where its ledger ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The product.
    pub product: Arc<Product>,
    /// What there is of it.
    pub level: StockLevel,
    /// Its newest movement.
    pub last_movement: Option<MovementId>,
    /// Whether it was deleted: no longer found or sold.
    pub hidden: bool,
}

impl Shelf {
    /// The product with its stock.
    pub fn view(&self) -> ProductView {
        ProductView { product: self.product.clone(), level: self.level }
    }
}

/// A product's new level, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockChange {
    /// Which product.
    pub product: ProductId,
    /// Its name now.
    pub name: Name,
    /// The version that the change was made from; `None` for a new product.
    pub from: Option<u64>,
    /// After all changes.
    pub level: StockLevel,
    /// Its newest movement.
    pub last_movement: Option<MovementId>,
    /// Whether stock moved, or only something else about the product changed.
    pub moved: bool,
}

/// What has to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// One for each product that changed.
    pub stock: Vec<StockChange>,
    /// In the order of their ids.
    pub movements: Vec<Arc<LedgerMovement>>,
    /// New holds.
    pub opened: Vec<Hold>,
    /// Holds that are no more.
    pub closed: Vec<(ProductId, HoldId)>,
}

/// What was decided cannot be applied to what is there: the stored data are inconsistent. The desk must be dropped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("stock of product {product} does not fit its reservations: {why}")]
pub struct BrokenStock {
    product: ProductId,
    why: String,
}

/// Why and when something moves.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

/// A decision, and whether it was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new: to be stored and answered.
    Decided(Arc<Decision>),
    /// It had been made before: its answer is repeated.
    Repeated(Arc<Decision>),
}

/// For whom and which line a movement is.
#[derive(Clone)]
struct For<'a> {
    owner: &'a Owner,
    line: LineId,
}

/// The stock at hand.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// `None`: there is no such product.
    shelves: FxHashMap<ProductId, Option<Shelf>>,
    last_movement: u64,
    effects: Effects,
    touched: FxHashMap<ProductId, usize>,
}

impl Desk {
    /// An empty desk that continues the ledger after `last`.
    pub fn new(last: Option<MovementId>) -> Self {
        Self { last_movement: last.map_or(0, |m| m.0), ..Self::default() }
    }

    /// Whether it was told about the product.
    pub fn knows(&self, id: ProductId) -> bool {
        self.shelves.contains_key(&id)
    }

    /// How many products it was told about.
    pub fn size(&self) -> usize {
        self.shelves.len()
    }

    /// Forgets all products, keeps counting movements. Only between [`Desk::take`] and the next change.
    pub fn forget(&mut self) {
        self.shelves.clear();
    }

    /// Takes a product as it is stored; `None` if there is no such product.
    pub fn learn(&mut self, id: ProductId, shelf: Option<Shelf>) {
        self.shelves.entry(id).or_insert(shelf);
    }

    /// A product, hidden ones too.
    pub fn shelf(&self, id: ProductId) -> Option<&Shelf> {
        self.shelves.get(&id)?.as_ref()
    }

    /// A product that is not hidden.
    ///
    /// # Errors
    /// [`Refusal::ProductNotFound`].
    pub fn shown(&self, id: ProductId) -> Result<&Shelf, Refusal> {
        self.shelf(id).filter(|s| !s.hidden).ok_or(Refusal::ProductNotFound(id))
    }

    /// Gives what has changed since the last call.
    pub fn take(&mut self) -> Effects {
        self.touched.clear();
        std::mem::take(&mut self.effects)
    }

    /// Decides a request for stock. `conflict`: the order has an open hold that was made over HTTP.
    ///
    /// # Errors
    /// [`BrokenStock`].
    pub fn reserve(
        &mut self,
        request: &ReserveRequest,
        prior: Option<&Arc<Decision>>,
        conflict: bool,
        origin: &Origin,
    ) -> Result<Outcome, BrokenStock> {
        if let Some(prior) = prior {
            return Ok(Outcome::Repeated(prior.clone()));
        }
        let id = request.reservation_id;
        let verdict = if conflict {
            Verdict::Reject(Rejected { reason: RejectReason::ReservationConflict, shortages: Vec::new() })
        } else {
            decide_reserve(|product| self.shelf(product), request)
        };
        let reservation = match verdict {
            Verdict::Reject(rejected) => Reservation::Rejected(rejected),
            Verdict::Hold(price_differences) => {
                let owner = Owner::Reservation(id);
                let mut movements = Vec::with_capacity(request.lines.len());
                for line in &request.lines {
                    let whom = For { owner: &owner, line: line.line_id };
                    movements.push(self.open(line.product_id, line.quantity, &whom, origin)?);
                }
                Reservation::Held(Held { movements, price_differences })
            }
        };
        Ok(decided(id, None, origin, reservation))
    }

    /// Decides that a request will never be processed. Does nothing if it was decided.
    pub fn give_up(&mut self, id: ReservationId, prior: Option<&Arc<Decision>>, origin: &Origin) -> Outcome {
        match prior {
            Some(prior) => Outcome::Repeated(prior.clone()),
            None => {
                let reason = RejectReason::ProcessingFailed;
                let rejected = Rejected { reason, shortages: Vec::new() };
                decided(id, None, origin, Reservation::Rejected(rejected))
            }
        }
    }

    /// Decides a release. `shipped`: the goods had left, so they are booked out first if that was not seen yet.
    ///
    /// # Errors
    /// [`BrokenStock`].
    pub fn release(
        &mut self,
        id: ReservationId,
        shipped: bool,
        prior: Option<&Arc<Decision>>,
        origin: &Origin,
    ) -> Result<Outcome, BrokenStock> {
        let mut movements = Vec::new();
        if let Some(done) = prior.filter(|d| d.is_final()) {
            return Ok(Outcome::Repeated(done.clone()));
        }
        let reservation = match prior.map(|d| &d.reservation) {
            // Nothing is held. Kept, so that a request that comes later does nothing.
            None | Some(Reservation::Rejected(_) | Reservation::Released(_) | Reservation::Returned(_)) => {
                Reservation::Released(Settled { movements })
            }
            Some(Reservation::Held(held)) if !shipped => {
                for hold in &held.movements {
                    movements.push(self.close(hold, MovementKind::Released, origin)?);
                }
                Reservation::Released(Settled { movements })
            }
            Some(Reservation::Held(held)) => {
                for hold in &held.movements {
                    movements.push(self.close(hold, MovementKind::Fulfilled, origin)?);
                    movements.push(self.take_back(hold, origin)?);
                }
                Reservation::Returned(Settled { movements })
            }
            Some(Reservation::Fulfilled(gone)) => {
                for left in &gone.movements {
                    movements.push(self.take_back(left, origin)?);
                }
                Reservation::Returned(Settled { movements })
            }
        };
        Ok(decided(id, prior, origin, reservation))
    }

    /// Decides that an order's goods have left. `None` if nothing is known of the reservation: then nothing was held,
    /// and nothing can have left.
    ///
    /// # Errors
    /// [`BrokenStock`].
    pub fn fulfil(
        &mut self,
        id: ReservationId,
        prior: Option<&Arc<Decision>>,
        origin: &Origin,
    ) -> Result<Option<Outcome>, BrokenStock> {
        let Some(decision) = prior else { return Ok(None) };
        let Reservation::Held(held) = &decision.reservation else {
            return Ok(Some(Outcome::Repeated(decision.clone())));
        };
        let mut movements = Vec::with_capacity(held.movements.len());
        for hold in &held.movements {
            movements.push(self.close(hold, MovementKind::Fulfilled, origin)?);
        }
        Ok(Some(decided(id, prior, origin, Reservation::Fulfilled(Settled { movements }))))
    }

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
        use super::level::LevelRefusal;
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

    fn open(
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
    fn close(
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

    fn take_back(
        &mut self,
        left: &LedgerMovement,
        origin: &Origin,
    ) -> Result<Arc<LedgerMovement>, BrokenStock> {
        let (shelf, quantity) = self.subject(left)?;
        let level = shelf.level.take_back(quantity);
        self.again(left, MovementKind::Returned, level, origin)
    }

    fn subject(&self, movement: &LedgerMovement) -> Result<(&Shelf, Quantity), BrokenStock> {
        let product = movement.product;
        let broken = |why: String| BrokenStock { product, why };
        let shelf = self.shelf(product).ok_or_else(|| broken("there is no such product".to_owned()))?;
        let quantity = Quantity::new(movement.quantity()).map_err(|e| broken(e.to_string()))?;
        Ok((shelf, quantity))
    }

    /// Records a movement for the same owner, line and hold as an earlier one.
    fn again(
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

    fn record(
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
    fn touch(&mut self, id: ProductId, from: Option<u64>, moved: bool) {
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
    fn note(&mut self, id: ProductId) {
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

fn decided(
    id: ReservationId,
    prior: Option<&Arc<Decision>>,
    origin: &Origin,
    reservation: Reservation,
) -> Outcome {
    let number = prior.map_or(0, |d| d.number) + 1;
    Outcome::Decided(Arc::new(Decision { id, number, at: origin.at, reservation }))
}
