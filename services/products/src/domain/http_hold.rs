//! Single-line reservations over HTTP: idempotent per (order, product).

use holdfast_contract::{ProductId, Quantity, Timestamp};

use super::movement::{HoldId, OrderRef};
use super::refusal::Refusal;

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpState {
    /// It is held.
    Held {
        /// How much.
        quantity: Quantity,
        /// By which hold.
        hold: HoldId,
        /// What was available after it, for the same answer again.
        new_stock: u64,
    },
    /// It was given back. Final.
    Released {
        /// How much.
        quantity: Quantity,
        /// What was available after it, for the same answer again.
        new_stock: u64,
    },
    /// It was released before it was made: the reserve that comes late does nothing. Final.
    NeverHeld,
}

/// A single-line reservation over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReservation {
    /// Whose.
    pub order: OrderRef,
    /// Of what.
    pub product: ProductId,
    /// What became of it.
    pub state: HttpState,
    /// Since when.
    pub at: Timestamp,
}

/// What to do about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpReserve {
    /// Take effect.
    Apply,
    /// Answer as before: this quantity, this stock after it.
    Again {
        /// Reserved or released then.
        quantity: u64,
        /// Available after it; `None`: as it is now.
        new_stock: Option<u64>,
    },
}

/// What `POST /:id/reserve` does. `by_event`: something was decided on the order's reservation by event.
///
/// A hold that is open over HTTP goes before that: by event the order can then only have been refused or released
/// before it was asked for, so the hold is not the order's own.
///
/// # Errors
/// [`Refusal::HoldOwnedByOrder`], [`Refusal::OtherQuantity`], [`Refusal::AlreadyReleased`].
pub fn decide_http_reserve(
    prior: Option<&HttpState>,
    by_event: bool,
    quantity: Quantity,
) -> Result<HttpReserve, Refusal> {
    match prior {
        Some(HttpState::Held { quantity: held, new_stock, .. }) if *held == quantity => {
            Ok(HttpReserve::Again { quantity: held.get().into(), new_stock: Some(*new_stock) })
        }
        Some(HttpState::Held { quantity: held, .. }) => Err(Refusal::OtherQuantity { held: held.get() }),
        _ if by_event => Err(Refusal::HoldOwnedByOrder),
        None => Ok(HttpReserve::Apply),
        Some(HttpState::Released { .. } | HttpState::NeverHeld) => Err(Refusal::AlreadyReleased),
    }
}

/// What `POST /:id/release` does. `by_event`: as in [`decide_http_reserve`]; an open hold can always be released, or
/// its stock would be lost. [`HttpReserve::Apply`] with no prior reservation means: keep that it was released.
///
/// # Errors
/// [`Refusal::HoldOwnedByOrder`], [`Refusal::OtherQuantity`].
pub fn decide_http_release(
    prior: Option<&HttpState>,
    by_event: bool,
    quantity: Quantity,
) -> Result<HttpReserve, Refusal> {
    match prior {
        Some(HttpState::Held { quantity: held, .. }) if *held == quantity => Ok(HttpReserve::Apply),
        Some(HttpState::Held { quantity: held, .. }) => Err(Refusal::OtherQuantity { held: held.get() }),
        _ if by_event => Err(Refusal::HoldOwnedByOrder),
        None => Ok(HttpReserve::Apply),
        Some(HttpState::NeverHeld) => Ok(HttpReserve::Again { quantity: 0, new_stock: None }),
        Some(HttpState::Released { quantity: released, new_stock }) if *released == quantity => {
            Ok(HttpReserve::Again { quantity: released.get().into(), new_stock: Some(*new_stock) })
        }
        Some(HttpState::Released { quantity: held, .. }) => Err(Refusal::OtherQuantity { held: held.get() }),
    }
}
