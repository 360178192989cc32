//! What became of a reservation. One decision is kept for each, for ever, and its answer is repeated.

use std::sync::Arc;

use holdfast_contract::event::{
    Body, Event, PriceDifference, ReleaseOutcome, StockFulfilled, StockRejected, StockReleased, StockReserved,
};
use holdfast_contract::stock::{Movement, RejectReason, Shortage};
use holdfast_contract::{OrderId, ReservationId, Timestamp};

use super::movement::LedgerMovement;

/// Nothing is held, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The gravest reason.
    pub reason: RejectReason,
    /// Every product that was short.
    pub shortages: Vec<Shortage>,
}

/// Every line is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// One for each line; each opened the hold that it names.
    pub movements: Vec<Arc<LedgerMovement>>,
    /// Lines that were ordered for another price than the product's.
    pub price_differences: Vec<PriceDifference>,
}

/// A state that a request led to from another: released, fulfilled, returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What moved then.
    pub movements: Vec<Arc<LedgerMovement>>,
}

/// Where a reservation is on its way: `Held` → `Released` | `Fulfilled` | `Returned`, `Fulfilled` → `Returned`,
/// `Rejected` → `Released`; or `Released` at once, where the release came before the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Nothing is held.
    Rejected(Rejected),
    /// Every line is held.
    Held(Held),
    /// What was held came back; without movements if nothing was. Final.
    Released(Settled),
    /// The goods have left.
    Fulfilled(Settled),
    /// The goods had left and came back. Final.
    Returned(Settled),
}

/// A reservation's state, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which reservation.
    pub id: ReservationId,
    /// Counts its decisions from 1; makes the id of the answer, so a repeated answer is the same event.
    pub number: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// What.
    pub reservation: Reservation,
}

impl Decision {
    /// The movements that the answer carries.
    pub fn movements(&self) -> &[Arc<LedgerMovement>] {
        match &self.reservation {
            Reservation::Rejected(_) => &[],
            Reservation::Held(held) => &held.movements,
            Reservation::Released(s) | Reservation::Fulfilled(s) | Reservation::Returned(s) => &s.movements,
        }
    }

    /// The products that there was too little of; none unless it is a rejection.
    pub fn shortages(&self) -> &[Shortage] {
        match &self.reservation {
            Reservation::Rejected(rejected) => &rejected.shortages,
            _ => &[],
        }
    }

    /// Whether no request changes it any more.
    pub fn is_final(&self) -> bool {
        matches!(self.reservation, Reservation::Released(_) | Reservation::Returned(_))
    }

    /// The order that it is about.
    pub fn order(&self) -> OrderId {
        OrderId::new(self.id.key())
    }

    /// The answer. The same decision gives the same event, however often it is asked for.
    pub fn answer(&self) -> Event {
        let reservation_id = self.id;
        let movements: Vec<Movement> = self.movements().iter().map(|m| m.to_wire()).collect();
        let body = match &self.reservation {
            Reservation::Rejected(Rejected { reason, shortages }) => Body::StockRejected(StockRejected {
                reservation_id,
                reason: *reason,
                shortages: shortages.clone(),
            }),
            Reservation::Held(held) => Body::StockReserved(StockReserved {
                reservation_id,
                movements,
                price_differences: held.price_differences.clone(),
            }),
            Reservation::Released(_) => Body::StockReleased(StockReleased {
                reservation_id,
                outcome: ReleaseOutcome::Released,
                movements,
            }),
            Reservation::Returned(_) => Body::StockReleased(StockReleased {
                reservation_id,
                outcome: ReleaseOutcome::Returned,
                movements,
            }),
            Reservation::Fulfilled(_) => Body::StockFulfilled(StockFulfilled { reservation_id, movements }),
        };
        Event::about_order(self.order(), u64::from(self.number), self.at, body)
    }
}
