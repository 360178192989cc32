//! Why a call does not take effect.

use holdfast_contract::{ErrorCode, ProductId};
use thiserror::Error;

use super::movement::Hold;

/// Why a call about a product does not take effect. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such product, or it was deleted.
    #[error("there is no product {0}")]
    ProductNotFound(ProductId),
    /// The product is not for sale.
    #[error("the product is not for sale")]
    ProductInactive,
    /// Not enough of it.
    #[error("{requested} requested, {available} available")]
    InsufficientStock {
        /// Asked for.
        requested: u64,
        /// Could be had.
        available: u64,
    },
    /// The order has a reservation that it made by event.
    #[error("the order has a reservation of its own; cancel the order instead")]
    HoldOwnedByOrder,
    /// The order id holds (or held) another quantity of the product.
    #[error("the order id has {held} of this product")]
    OtherQuantity {
        /// How much.
        held: u32,
    },
    /// What the order id held was given back.
    #[error("the order id's reservation of this product was released")]
    AlreadyReleased,
    /// Less would remain than is held.
    #[error("{reserved} are held for orders, {remaining} would remain")]
    StockHeld {
        /// How much is held.
        reserved: u64,
        /// What would be on hand.
        remaining: i64,
        /// The oldest of the holds, at most [`Refusal::NAMED_HOLDS`].
        holds: Vec<Hold>,
    },
    /// More would be on hand than a product can have.
    #[error("more would be on hand than a product can have")]
    TooMuch,
    /// A product with open holds cannot be deleted.
    #[error("{reserved} are held for orders")]
    HoldsOpen {
        /// How much is held.
        reserved: u64,
        /// The oldest of the holds, at most [`Refusal::NAMED_HOLDS`].
        holds: Vec<Hold>,
    },
    /// Another product has this SKU.
    #[error("product {0} has this SKU")]
    DuplicateSku(ProductId),
    /// The product is no longer what the caller has seen.
    #[error("the product has version {current}")]
    VersionConflict {
        /// The version that the caller has seen.
        expected: u64,
        /// Its version.
        current: u64,
    },
    /// A product with this id exists. Ids of new products are made by the service, so only a seed meets this.
    #[error("product {0} exists")]
    ProductExists(ProductId),
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another body")]
    IdempotencyKeyReused,
}

impl Refusal {
    /// Holds that a refusal names at most.
    pub const NAMED_HOLDS: usize = 50;

    /// The public code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::ProductNotFound(_) => ErrorCode::ProductNotFound,
            Self::ProductInactive => ErrorCode::ProductInactive,
            Self::InsufficientStock { .. } => ErrorCode::InsufficientStock,
            Self::HoldOwnedByOrder => ErrorCode::HoldOwnedByOrder,
            Self::OtherQuantity { .. } => ErrorCode::ReservationMismatch,
            Self::AlreadyReleased => ErrorCode::AlreadyReleased,
            Self::StockHeld { .. } => ErrorCode::StockHeld,
            Self::TooMuch => ErrorCode::ValidationFailed,
            Self::HoldsOpen { .. } => ErrorCode::HoldsOpen,
            Self::DuplicateSku(_) => ErrorCode::DuplicateSku,
            Self::VersionConflict { .. } | Self::ProductExists(_) => ErrorCode::VersionConflict,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
        }
    }
}
