//! Refusals of the domain and failures of the store, as answers. The one place where one becomes the other.

use holdfast_contract::{ErrorCode, OrderStatus};
use holdfast_service::http::ApiError;
use holdfast_service::http::idempotency::key_reused;
use holdfast_storage::StoreError;
use serde_json::json;

use crate::domain::{PlaceRefusal, Refusal};
use crate::usecase::{ChangeError, ChangeRefusal, PlaceError, TooManyOpen};

pub(super) fn no_such_order() -> ApiError {
    ApiError::new(ErrorCode::OrderNotFound, "There is no such order")
}

pub(super) fn admins_only() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "Only an admin may do this")
}

pub(super) fn staff_only() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "Only an operator or an admin may do this")
}

pub(super) fn store(error: StoreError) -> ApiError {
    if error.is_transient() { ApiError::unavailable(error) } else { ApiError::internal(error) }
}

pub(super) fn place(error: PlaceError) -> ApiError {
    match error {
        PlaceError::Refused(refusal) => match refusal {
            PlaceRefusal::Empty => ApiError::invalid("items", "must have at least one line"),
            PlaceRefusal::TooManyLines | PlaceRefusal::Overflow => {
                ApiError::invalid("items", refusal.to_string())
            }
            // Every amount of a request is read in the service's one currency.
            PlaceRefusal::MixedCurrencies => ApiError::internal(refusal),
            PlaceRefusal::TotalMismatch { expected } => ApiError::new(
                ErrorCode::TotalMismatch,
                format!("totalAmount must be the sum of the lines, {expected}"),
            )
            .details(json!({ "expected": expected.to_decimal(), "currency": expected.currency() })),
        },
        PlaceError::KeyReused(_) => key_reused(),
        PlaceError::TooManyOpen(TooManyOpen { open, limit }) => ApiError::new(
            ErrorCode::TooManyOpenOrders,
            format!("{open} of your orders are not shipped yet, and {limit} may be; cancel one or wait"),
        )
        .details(json!({ "open": open, "limit": limit })),
        PlaceError::Store(error) => store(error),
    }
}

pub(super) fn change(error: ChangeError) -> ApiError {
    match error {
        ChangeError::Refused(refusal) => change_refused(&refusal),
        ChangeError::KeyReused(_) => key_reused(),
        ChangeError::Contended => {
            ApiError::new(ErrorCode::Overloaded, "The order is being changed by many at once; try again")
        }
        ChangeError::Store(error) => store(error),
    }
}

/// What the order's state says against a change.
pub(super) fn change_refused(refusal: &ChangeRefusal) -> ApiError {
    match *refusal {
        ChangeRefusal::NotFound => no_such_order(),
        ChangeRefusal::State(refusal) => refused(refusal),
        ChangeRefusal::VersionConflict { expected, current } => ApiError::new(
            ErrorCode::VersionConflict,
            format!("The order is at version {current}, not {expected}: read it again"),
        )
        .details(json!({ "expected": expected, "current": current })),
    }
}

fn refused(refusal: Refusal) -> ApiError {
    let because = |code| ApiError::new(code, sentence(&refusal.to_string()));
    match refusal {
        Refusal::Hidden => no_such_order(),
        Refusal::InvalidTransition { from, to } => because(ErrorCode::InvalidTransition).details(json!({
            "from": from, "fromLabel": from.label(), "to": to, "toLabel": to.label(),
            "allowed": allowed_after(from),
        })),
        Refusal::StockNotReserved { stock } => {
            because(ErrorCode::StockNotReserved).details(json!({ "stockStatus": stock }))
        }
        Refusal::NotDeletable { status } => because(ErrorCode::OrderNotDeletable)
            .details(json!({ "status": status, "statusLabel": status.label() })),
        Refusal::AddressFixed { status } => because(ErrorCode::InvalidTransition)
            .details(json!({ "status": status, "statusLabel": status.label() })),
    }
}

/// Where an order can go from here; for people, the domain decides.
pub(super) fn allowed_after(from: OrderStatus) -> &'static [OrderStatus] {
    use OrderStatus::{Cancelled, Delivered, Pending, Processing, Shipped};
    match from {
        Pending => &[Processing, Cancelled],
        Processing => &[Shipped, Cancelled],
        Shipped => &[Delivered, Cancelled],
        Delivered | Cancelled => &[],
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
