//! How an order is stored: a JSON document of its own, with amounts in minor units. Every back-end stores this form.

use std::borrow::Cow;
use std::sync::Arc;

use holdfast_contract::stock::{RejectReason, Shortage};
use holdfast_contract::text::{Name, Note, UserId};
use holdfast_contract::{
    Currency, LineId, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, ProductId, Quantity,
    StockStatus, Timestamp,
};
use holdfast_storage::StoreError;
use serde::{Deserialize, Serialize};

use crate::domain::{Address, Broken, Item, Metadata, Order, Parts, Stage, Stock, TrackingNumber};

// Names are persisted: never rename; add only optional ones.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    version: u64,
    user: Cow<'a, UserId>,
    currency: Currency,
    items: Vec<StoredItem>,
    total: u64,
    status: OrderStatus,
    stock: StockStatus,
    address: Cow<'a, Address>,
    payment: PaymentMethod,
    paid: PaymentStatus,
    created: i64,
    updated: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shipped: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<Cow<'a, Note>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reject_reason: Option<RejectReason>,
    #[serde(default, skip_serializing_if = "none_short")]
    shortages: Cow<'a, [Shortage]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracking: Option<Cow<'a, TrackingNumber>>,
    #[serde(default, skip_serializing_if = "is_empty_object")]
    metadata: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    enforce_price: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredItem {
    product: ProductId,
    name: Name,
    quantity: Quantity,
    price: u64,
}

fn none_short(shortages: &[Shortage]) -> bool {
    shortages.is_empty()
}

fn is_empty_object(metadata: &str) -> bool {
    metadata == "{}"
}

/// Writes an order.
pub(crate) fn encode_order(order: &Order) -> Vec<u8> {
    let items = order
        .items
        .iter()
        .map(|item| StoredItem {
            product: item.product_id,
            name: item.product_name.clone(),
            quantity: item.quantity,
            price: item.price.minor(),
        })
        .collect();
    let (delivered, cancelled) = match &order.stage {
        Stage::Delivered { delivered_at, .. } => (Some(delivered_at.as_millis()), None),
        Stage::Cancelled { cancelled_at, .. } => (None, Some(cancelled_at.as_millis())),
        _ => (None, None),
    };
    let reject_reason = match order.stock {
        Stock::Rejected { reason, .. } => Some(reason),
        _ => None,
    };
    let stored = Stored {
        version: order.version,
        user: Cow::Borrowed(&order.user_id),
        currency: order.currency(),
        items,
        total: order.total.minor(),
        status: order.status(),
        stock: order.stock.status(),
        address: Cow::Borrowed(&order.address),
        payment: order.payment_method,
        paid: order.payment_status,
        created: order.created_at.as_millis(),
        updated: order.updated_at.as_millis(),
        shipped: order.stage.shipped_at().map(Timestamp::as_millis),
        delivered,
        cancelled,
        cancel_reason: order.cancel_reason().map(Cow::Borrowed),
        reject_reason,
        shortages: Cow::Borrowed(order.stock.shortages()),
        tracking: order.tracking_number.as_ref().map(Cow::Borrowed),
        metadata: Cow::Borrowed(order.metadata.as_str()),
        enforce_price: order.enforce_price,
        hidden: order.hidden,
    };
    let mut body = Vec::with_capacity(480 + 128 * order.items.len());
    // Plain structs with text keys, written to memory, cannot fail.
    let _ = serde_json::to_writer(&mut body, &stored);
    body
}

/// Reads an order back, and proves its invariants again.
///
/// # Errors
/// [`StoreError::Inconsistent`].
pub(crate) fn decode_order(id: OrderId, body: &[u8]) -> Result<Order, StoreError> {
    let inconsistent = |why: &dyn std::fmt::Display| StoreError::Inconsistent(format!("order {id}: {why}"));
    let stored: Stored<'_> = serde_json::from_slice(body).map_err(|e| inconsistent(&e))?;
    parts(id, stored).and_then(Order::restore).map_err(|e| inconsistent(&e))
}

fn parts(id: OrderId, stored: Stored<'_>) -> Result<Parts, Broken> {
    let money =
        |minor| Money::from_minor(minor, stored.currency).map_err(|_| Broken("an amount is too large"));
    let items = stored
        .items
        .into_iter()
        .zip(1u16..)
        .map(|(item, line)| {
            Ok(Item {
                line_id: LineId(line),
                product_id: item.product,
                product_name: item.name,
                quantity: item.quantity,
                price: money(item.price)?,
            })
        })
        .collect::<Result<Arc<[Item]>, Broken>>()?;
    let time = Timestamp::from_millis;
    let shipped_at = stored.shipped.map(time);
    let stage = match (stored.status, shipped_at, stored.delivered, stored.cancelled, stored.cancel_reason) {
        (OrderStatus::Pending, None, None, None, None) => Stage::Pending,
        (OrderStatus::Processing, None, None, None, None) => Stage::Processing,
        (OrderStatus::Shipped, Some(shipped_at), None, None, None) => Stage::Shipped { shipped_at },
        (OrderStatus::Delivered, Some(shipped_at), Some(at), None, None) => {
            Stage::Delivered { shipped_at, delivered_at: time(at) }
        }
        (OrderStatus::Cancelled, shipped_at, None, Some(at), Some(reason)) => {
            Stage::Cancelled { cancelled_at: time(at), reason: reason.into_owned(), shipped_at }
        }
        _ => return Err(Broken("the status does not fit what is known beside it")),
    };
    let stock = match (stored.stock, stored.reject_reason) {
        (StockStatus::Pending, None) => Stock::Pending,
        (StockStatus::Reserved, None) => Stock::Reserved,
        (StockStatus::Released, None) => Stock::Released,
        (StockStatus::Fulfilled, None) => Stock::Fulfilled,
        (StockStatus::Returned, None) => Stock::Returned,
        (StockStatus::Rejected, Some(reason)) => {
            Stock::Rejected { reason, shortages: stored.shortages.into_owned().into() }
        }
        _ => return Err(Broken("the stock's status does not fit what is known beside it")),
    };
    let metadata = match &*stored.metadata {
        "" => Metadata::empty(),
        text => Metadata::parse(text).map_err(|_| Broken("the metadata is not an object"))?,
    };
    Ok(Parts {
        id,
        version: stored.version,
        user_id: stored.user.into_owned(),
        items,
        total: money(stored.total)?,
        stage,
        stock,
        address: Arc::new(stored.address.into_owned()),
        payment_method: stored.payment,
        payment_status: stored.paid,
        tracking_number: stored.tracking.map(Cow::into_owned),
        metadata,
        enforce_price: stored.enforce_price,
        created_at: time(stored.created),
        updated_at: time(stored.updated),
        hidden: stored.hidden,
    })
}
