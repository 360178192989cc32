//! The order itself, and what always holds of it.

use std::ops::Deref;
use std::sync::Arc;

use holdfast_contract::event::Line;
use holdfast_contract::stock::{RejectReason, Shortage};
use holdfast_contract::text::{Name, Note, UserId};
use holdfast_contract::{
    Currency, LineId, Money, OrderId, OrderNumber, OrderStatus, PaymentMethod, PaymentStatus, ProductId,
    Quantity, ReservationId, StockStatus, Timestamp,
};
use thiserror::Error;

use super::values::{Address, Metadata, TrackingNumber};

/// Lines that one order may have.
pub const MAX_LINES: usize = 200;

/// Where an order is on its way; each stage carries only its own data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Taken.
    Pending,
    /// Being packed.
    Processing,
    /// On its way.
    Shipped {
        /// Since when.
        shipped_at: Timestamp,
    },
    /// Arrived. Final.
    Delivered {
        /// When it had left.
        shipped_at: Timestamp,
        /// When it arrived.
        delivered_at: Timestamp,
    },
    /// Will not be delivered. Final.
    Cancelled {
        /// Since when.
        cancelled_at: Timestamp,
        /// Why. Never changes.
        reason: Note,
        /// When it had left, if it had.
        shipped_at: Option<Timestamp>,
    },
}

impl Stage {
    /// Its public status.
    pub fn status(&self) -> OrderStatus {
        match self {
            Self::Pending => OrderStatus::Pending,
            Self::Processing => OrderStatus::Processing,
            Self::Shipped { .. } => OrderStatus::Shipped,
            Self::Delivered { .. } => OrderStatus::Delivered,
            Self::Cancelled { .. } => OrderStatus::Cancelled,
        }
    }

    /// When the goods left, if they did.
    pub fn shipped_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending | Self::Processing => None,
            Self::Shipped { shipped_at } | Self::Delivered { shipped_at, .. } => Some(*shipped_at),
            Self::Cancelled { shipped_at, .. } => *shipped_at,
        }
    }
}

/// What Products has said about the order's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Asked, not answered.
    Pending,
    /// Every line is held.
    Reserved,
    /// Nothing is held.
    Rejected {
        /// The gravest of the reasons.
        reason: RejectReason,
        /// Every product that was short.
        shortages: Arc<[Shortage]>,
    },
    /// What was held, or nothing, was given back.
    Released,
    /// The goods have left.
    Fulfilled,
    /// The goods had left and were booked back in.
    Returned,
}

impl Stock {
    /// Its public word.
    pub fn status(&self) -> StockStatus {
        match self {
            Self::Pending => StockStatus::Pending,
            Self::Reserved => StockStatus::Reserved,
            Self::Rejected { .. } => StockStatus::Rejected,
            Self::Released => StockStatus::Released,
            Self::Fulfilled => StockStatus::Fulfilled,
            Self::Returned => StockStatus::Returned,
        }
    }

    /// What was short; empty unless rejected.
    pub fn shortages(&self) -> &[Shortage] {
        match self {
            Self::Rejected { shortages, .. } => shortages,
            _ => &[],
        }
    }
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number, from 1.
    pub line_id: LineId,
    /// Which product.
    pub product_id: ProductId,
    /// Its name, as the client sent it.
    pub product_name: Name,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub price: Money,
}

/// Everything there is to know about an order. Anybody may make one; only a proven one becomes an [`Order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Names the order, its number and its reservation.
    pub id: OrderId,
    /// Counts the changes, from 1.
    pub version: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// What is ordered; 1 to [`MAX_LINES`] lines, numbered from 1.
    pub items: Arc<[Item]>,
    /// Sum of the lines.
    pub total: Money,
    /// Where it is on its way.
    pub stage: Stage,
    /// What Products has said.
    pub stock: Stock,
    /// Where it goes.
    pub address: Arc<Address>,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// Whether it is paid.
    pub payment_status: PaymentStatus,
    /// The parcel.
    pub tracking_number: Option<TrackingNumber>,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// Whether a price that is not the product's rejects the order.
    pub enforce_price: bool,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed; never before `created_at`.
    pub updated_at: Timestamp,
    /// Deleted for clients. Its record stays.
    pub hidden: bool,
}

/// Which invariant a stored order breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// An order whose invariants were proved. Read its [`Parts`]; change it by [`super::decide()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Parts);

impl Deref for Order {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Order {
    /// Proves the invariants.
    ///
    /// # Errors
    /// [`Broken`] says which one does not hold.
    pub fn restore(parts: Parts) -> Result<Self, Broken> {
        use Stage::{Cancelled, Delivered, Pending, Processing, Shipped};
        if parts.items.is_empty() || parts.items.len() > MAX_LINES {
            return Err(Broken("an order has 1 to 200 lines"));
        }
        if parts.items.iter().zip(1u16..).any(|(item, number)| item.line_id != LineId(number)) {
            return Err(Broken("lines are numbered from 1"));
        }
        if sum(&parts.items, parts.total.currency()) != Some(parts.total) {
            return Err(Broken("the total is the sum of the lines"));
        }
        if parts.version == 0 {
            return Err(Broken("versions count from 1"));
        }
        if parts.updated_at < parts.created_at {
            return Err(Broken("an order does not change before it is placed"));
        }
        if parts.hidden && !matches!(parts.stage, Cancelled { .. }) {
            return Err(Broken("only a cancelled order is hidden"));
        }
        let fits = match (&parts.stage, &parts.stock) {
            (Pending, stock) => matches!(stock, Stock::Pending | Stock::Reserved),
            (Processing, stock) => *stock == Stock::Reserved,
            (Shipped { .. } | Delivered { .. }, stock) => matches!(stock, Stock::Reserved | Stock::Fulfilled),
            (Cancelled { shipped_at, .. }, Stock::Rejected { .. } | Stock::Pending) => shipped_at.is_none(),
            (Cancelled { shipped_at, .. }, Stock::Fulfilled) => shipped_at.is_some(),
            (Cancelled { .. }, Stock::Reserved | Stock::Released | Stock::Returned) => true,
        };
        if fits { Ok(Self(parts)) } else { Err(Broken("the stock's state does not fit the order's status")) }
    }

    /// Its parts, to be changed and proved again.
    pub fn into_parts(self) -> Parts {
        self.0
    }

    /// For transitions that keep the invariants by construction; the property tests prove them again.
    pub(super) fn trusted(parts: Parts) -> Self {
        debug_assert_eq!(Self::restore(parts.clone()).err(), None);
        Self(parts)
    }

    /// What people quote.
    pub fn number(&self) -> OrderNumber {
        self.0.id.into()
    }

    /// Its reservation; today an order has one.
    pub fn reservation(&self) -> ReservationId {
        self.0.id.into()
    }

    /// Its public status.
    pub fn status(&self) -> OrderStatus {
        self.0.stage.status()
    }

    /// Its currency.
    pub fn currency(&self) -> Currency {
        self.0.total.currency()
    }

    /// Why it was cancelled, if it was.
    pub fn cancel_reason(&self) -> Option<&Note> {
        match &self.0.stage {
            Stage::Cancelled { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Its lines, as events carry them.
    pub fn lines(&self) -> Vec<Line> {
        self.0
            .items
            .iter()
            .map(|item| Line {
                line_id: item.line_id,
                product_id: item.product_id,
                product_name: item.product_name.clone(),
                quantity: item.quantity,
                unit_price: item.price.to_decimal(),
            })
            .collect()
    }
}

/// The sum of the lines; `None` if it is beyond what an amount can be, or a line is in another currency.
pub(super) fn sum(items: &[Item], currency: Currency) -> Option<Money> {
    let zero = Money::from_minor(0, currency).ok()?;
    items.iter().try_fold(zero, |total, item| total.plus(item.price.times(item.quantity.get())?))
}
