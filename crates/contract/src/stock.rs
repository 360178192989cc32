//! Quantities, holds' movements and shortages: what answers carry.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::id::{LineId, ProductId};
use crate::text::Name;
use crate::time::Timestamp;

/// Why a number is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a whole number from 1 to {max}", max = Quantity::MAX)]
pub struct InvalidQuantity;

/// How many of a product: 1 to [`Quantity::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// One million: far above any real line, and small enough that no sum of an order's lines overflows.
    pub const MAX: u32 = 1_000_000;

    /// Proves a number.
    ///
    /// # Errors
    /// 0 and what is above [`Quantity::MAX`].
    pub fn new(number: u64) -> Result<Self, InvalidQuantity> {
        u32::try_from(number)
            .ok()
            .filter(|&n| n <= Self::MAX)
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or(InvalidQuantity)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The number, ready to be added to or taken from a balance.
    pub fn delta(self) -> i64 {
        i64::from(self.0.get())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {}", Quantity::MAX)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
                Quantity::new(number).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
                u64::try_from(number).map_err(|_| InvalidQuantity).and_then(Quantity::new).map_err(E::custom)
            }
        }
        deserializer.deserialize_u64(Visitor)
    }
}

/// A product's balances at one moment. Makes no promise by itself: Products proves that none is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Balances {
    /// Available to sell: `on_hand − reserved`.
    pub stock: i64,
    /// Held for orders.
    pub reserved: i64,
    /// Physically there.
    pub on_hand: i64,
}

impl Balances {
    /// The balances of this much on hand and this much held.
    pub fn new(on_hand: i64, reserved: i64) -> Self {
        Self { stock: on_hand - reserved, reserved, on_hand }
    }
}

/// Why a product's stock moved. Words are public and persisted: never rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// First stock of a new product.
    Received,
    /// Held for an order.
    Reserved,
    /// Given back.
    Released,
    /// Left with a shipment.
    Fulfilled,
    /// Came back after a shipment.
    Returned,
    /// Corrected by a person.
    Adjusted,
    /// A word that a newer version has: shown, never written by this one.
    #[serde(other)]
    Unknown,
}

/// One change of one product's stock, as the answers and the ledger show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Unique in the Products service.
    pub movement_id: String,
    /// Which product.
    pub product_id: ProductId,
    /// Its name at the time.
    pub product_name: Name,
    /// The order's line, where an order was the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_id: Option<LineId>,
    /// Why.
    pub kind: MovementKind,
    /// Change of what is physically there.
    pub on_hand_delta: i64,
    /// Change of what is held.
    pub reserved_delta: i64,
    /// The hold that was opened or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<String>,
    /// Where. Always `default` today.
    pub location_id: String,
    /// The balances after it.
    pub balances: Balances,
    /// When.
    pub at: Timestamp,
}

/// Why stock cannot be had. Words are public and persisted: never rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectReason {
    /// The message that asked for it could not be processed and was discarded by an operator.
    ProcessingFailed,
    /// The order id has an open hold that was made over HTTP.
    ReservationConflict,
    /// There is no such product.
    ProductNotFound,
    /// The product is not for sale.
    ProductInactive,
    /// The price the customer saw is no longer the price.
    PriceChanged,
    /// Not enough of it.
    OutOfStock,
    /// A reason that a newer version gives.
    #[serde(other)]
    Unknown,
}

impl RejectReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProcessingFailed => "PROCESSING_FAILED",
            Self::ReservationConflict => "RESERVATION_CONFLICT",
            Self::ProductNotFound => "PRODUCT_NOT_FOUND",
            Self::ProductInactive => "PRODUCT_INACTIVE",
            Self::PriceChanged => "PRICE_CHANGED",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What one product of an order was short of. Lines that name the same product are one demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// Which product.
    pub product_id: ProductId,
    /// Its name, as the order has it.
    pub product_name: Name,
    /// The lines that asked for it.
    pub line_ids: Vec<LineId>,
    /// How much they asked for together.
    pub requested: i64,
    /// How much could have been had.
    pub available: i64,
    /// Why it cannot be had.
    pub reason: RejectReason,
}
