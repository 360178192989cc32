//! Applies decisions to the stock at hand, and writes down what has to be stored. Pure: what it is not told, it does
//! not know.

mod book;
mod calls;

use std::sync::Arc;

use holdfast_contract::event::ReserveRequest;
use holdfast_contract::stock::{MovementKind, RejectReason};
use holdfast_contract::text::Name;
use holdfast_contract::{LineId, ProductId, ReservationId, Timestamp};
use rustc_hash::FxHashMap;
use thiserror::Error;

use super::decision::{Decision, Held, Rejected, Reservation, Settled};
use super::demand::{Verdict, decide_reserve};
use super::level::StockLevel;
use super::movement::{Cause, Hold, HoldId, LedgerMovement, MovementId, Owner};
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
