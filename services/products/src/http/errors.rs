//! Refusals and failures as answers. The only place where they become HTTP.

use holdfast_contract::ErrorCode;
use holdfast_service::http::ApiError;
use holdfast_service::http::idempotency::key_reused;
use holdfast_storage::StoreError;
use serde_json::json;

use super::model::HoldBody;
use crate::decider::CommandError;
use crate::domain::{Hold, Refusal};

/// A command that had no effect. `amount` is the field that a too large amount came from.
pub(super) fn command(error: CommandError, amount: &str) -> ApiError {
    match error {
        CommandError::Refused(refused) => refusal(&refused, amount),
        CommandError::Overloaded => {
            ApiError::new(ErrorCode::Overloaded, "More is queued than can be done in time")
        }
        unavailable @ CommandError::Unavailable(_) => ApiError::unavailable(unavailable),
        inconsistent @ CommandError::Inconsistent(_) => ApiError::internal(inconsistent),
    }
}

/// A refusal, with the facts that belong to it.
pub(super) fn refusal(refusal: &Refusal, amount: &str) -> ApiError {
    let code = refusal.code();
    match refusal {
        Refusal::ProductNotFound(id) => {
            ApiError::new(code, format!("There is no product {id}")).details(json!({"productId": id}))
        }
        Refusal::ProductInactive => ApiError::new(code, "The product is not for sale"),
        Refusal::InsufficientStock { requested, available } => {
            ApiError::new(code, format!("Requested {requested}, available {available}"))
                .details(json!({"requested": requested, "available": available}))
        }
        Refusal::HoldOwnedByOrder => {
            ApiError::new(code, "This order's stock is held by the order itself; change or cancel the order")
        }
        Refusal::OtherQuantity { held } => {
            ApiError::new(code, format!("This order id has {held} of this product, not another quantity"))
                .details(json!({"quantity": held}))
        }
        Refusal::AlreadyReleased => {
            ApiError::new(code, "What this order id held of this product was already released")
        }
        Refusal::StockHeld { reserved, remaining, holds } => {
            ApiError::new(code, format!("{reserved} are held for orders, and only {remaining} would remain"))
                .details(json!({"reserved": reserved, "remaining": remaining, "holds": named(holds)}))
        }
        Refusal::HoldsOpen { reserved, holds } => ApiError::new(
            code,
            format!("{reserved} are held for orders; a product with open holds cannot be deleted"),
        )
        .details(json!({"reserved": reserved, "holds": named(holds)})),
        Refusal::TooMuch => ApiError::invalid(amount, "is more than a product can have on hand"),
        Refusal::DuplicateSku(other) => {
            ApiError::new(code, format!("Product {other} has this SKU")).details(json!({"productId": other}))
        }
        Refusal::VersionConflict { expected, current } => {
            ApiError::new(code, format!("The product is at version {current}, not {expected}: read it again"))
                .details(json!({"expected": expected, "current": current}))
        }
        Refusal::ProductExists(id) => {
            ApiError::new(code, format!("Product {id} exists already")).details(json!({"productId": id}))
        }
        Refusal::IdempotencyKeyReused => key_reused(),
    }
}

fn named(holds: &[Hold]) -> Vec<HoldBody> {
    holds.iter().map(HoldBody::from).collect()
}

/// A read that failed.
pub(super) fn store(error: StoreError) -> ApiError {
    if error.is_transient() { ApiError::unavailable(error) } else { ApiError::internal(error) }
}
