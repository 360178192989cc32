//! Taking an order.

use std::sync::Arc;

use holdfast_contract::event::{Body, OrderCreated, ReserveRequest};
use holdfast_contract::text::{Name, UserId};
use holdfast_contract::{
    LineId, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, ProductId, Quantity, Timestamp,
};
use thiserror::Error;

use super::decide::{Changed, Live, LiveKind};
use super::order::{Item, MAX_LINES, Order, Parts, Stage, Stock, sum};
use super::values::{Address, Metadata};

/// A line that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftItem {
    /// Which product. Whether there is one, Products says.
    pub product_id: ProductId,
    /// Its name, as the client saw it.
    pub product_name: Name,
    /// How many.
    pub quantity: Quantity,
    /// The price of one, as the client saw it.
    pub price: Money,
}

/// An order that a client asks for. Every field was proved on its own; [`place`] proves them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Whose it will be.
    pub user_id: UserId,
    /// What is ordered.
    pub items: Vec<DraftItem>,
    /// What the client says it costs; its currency is the order's.
    pub total: Money,
    /// Where it goes.
    pub address: Address,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// Whether it is paid.
    pub payment_status: PaymentStatus,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// Whether a price that is not the product's rejects the order (it came with a customer's token).
    pub enforce_price: bool,
}

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlaceRefusal {
    /// No lines.
    #[error("an order needs at least one line")]
    Empty,
    /// More than [`MAX_LINES`].
    #[error("an order has at most {MAX_LINES} lines")]
    TooManyLines,
    /// A line's price is in another currency than the total.
    #[error("every line must be in the order's currency")]
    MixedCurrencies,
    /// The lines cost more than an amount can be.
    #[error("the sum of the lines is too large")]
    Overflow,
    /// The total is not the sum of the lines.
    #[error("the total is not the sum of the lines, {expected}")]
    TotalMismatch {
        /// The sum of the lines.
        expected: Money,
    },
}

/// Takes an order: version 1, pending, its stock asked for.
///
/// # Errors
/// See [`PlaceRefusal`].
pub fn place(draft: Draft, id: OrderId, at: Timestamp) -> Result<Changed, PlaceRefusal> {
    let currency = draft.total.currency();
    if draft.items.is_empty() {
        return Err(PlaceRefusal::Empty);
    }
    if draft.items.len() > MAX_LINES {
        return Err(PlaceRefusal::TooManyLines);
    }
    if draft.items.iter().any(|item| item.price.currency() != currency) {
        return Err(PlaceRefusal::MixedCurrencies);
    }
    let items: Arc<[Item]> = draft
        .items
        .into_iter()
        .zip(1u16..)
        .map(|(item, number)| Item {
            line_id: LineId(number),
            product_id: item.product_id,
            product_name: item.product_name,
            quantity: item.quantity,
            price: item.price,
        })
        .collect();
    let expected = sum(&items, currency).ok_or(PlaceRefusal::Overflow)?;
    if expected != draft.total {
        return Err(PlaceRefusal::TotalMismatch { expected });
    }
    let order = Order::trusted(Parts {
        id,
        version: 1,
        user_id: draft.user_id,
        items,
        total: draft.total,
        stage: Stage::Pending,
        stock: Stock::Pending,
        address: Arc::new(draft.address),
        payment_method: draft.payment_method,
        payment_status: draft.payment_status,
        tracking_number: None,
        metadata: draft.metadata,
        enforce_price: draft.enforce_price,
        created_at: at,
        updated_at: at,
        hidden: false,
    });
    let events = vec![created(&order), reserve_request(&order)];
    let message = format!("Order {} was placed: {}", order.number(), order.total);
    Ok(Changed { events, live: vec![Live { kind: LiveKind::Created, message }], order })
}

fn created(order: &Order) -> Body {
    Body::OrderCreated(OrderCreated {
        user_id: order.user_id.clone(),
        items: order.lines(),
        total_amount: order.total.to_decimal(),
        currency: order.currency(),
        payment_method: Some(order.payment_method),
        status: Some(OrderStatus::Pending),
    })
}

pub(super) fn reserve_request(order: &Order) -> Body {
    Body::ReserveRequest(ReserveRequest {
        reservation_id: order.reservation(),
        user_id: order.user_id.clone(),
        currency: order.currency(),
        enforce_price: order.enforce_price,
        lines: order.lines(),
    })
}
