//! An order as the API shows it (contract §2): one JSON object, written straight from the order.

use std::io::Write as _;

use bytes::Bytes;
use serde::Serialize;

use super::order::{Order, Stage};

/// Writes the order. The same bytes go into answers and live messages.
pub fn render(order: &Order) -> Bytes {
    let mut out = Writer(Vec::with_capacity(900 + 220 * order.items.len() + order.metadata.as_str().len()));
    out.raw("{\"_id\":\"").show(order.id);
    out.raw("\",\"orderNumber\":\"").show(order.number());
    out.raw("\",\"userId\":").json(&order.user_id);
    out.raw(",\"items\":[");
    for (index, item) in order.items.iter().enumerate() {
        out.raw(if index == 0 { "{\"lineId\":" } else { ",{\"lineId\":" }).show(item.line_id);
        out.raw(",\"productId\":\"").show(item.product_id);
        out.raw("\",\"productName\":").json(&item.product_name);
        out.raw(",\"quantity\":").show(item.quantity);
        out.raw(",\"price\":").show(item.price.to_decimal()).raw("}");
    }
    out.raw("],\"totalAmount\":").show(order.total.to_decimal());
    out.raw(",\"currency\":\"").raw(order.currency().code());
    let status = order.status();
    out.raw("\",\"status\":").show(status.code());
    out.raw(",\"statusLabel\":\"").raw(status.label());
    out.raw("\",\"stockStatus\":\"").raw(order.stock.status().as_str());
    out.raw("\",\"reservationId\":\"").show(order.reservation()).raw("\"");
    if let Some(reason) = order.cancel_reason() {
        out.raw(",\"cancelReason\":").json(reason);
    }
    if !order.stock.shortages().is_empty() {
        out.raw(",\"shortages\":").json(order.stock.shortages());
    }
    out.raw(",\"shippingAddress\":").json(&*order.address);
    out.raw(",\"paymentMethod\":\"").raw(order.payment_method.as_str());
    out.raw("\",\"paymentStatus\":\"").raw(order.payment_status.as_str()).raw("\"");
    if let Some(tracking) = &order.tracking_number {
        out.raw(",\"trackingNumber\":").json(tracking);
    }
    out.raw(",\"createdAt\":\"").show(order.created_at);
    out.raw("\",\"updatedAt\":\"").show(order.updated_at).raw("\"");
    if let Some(at) = order.stage.shipped_at() {
        out.raw(",\"shippedAt\":\"").show(at).raw("\"");
    }
    match &order.stage {
        Stage::Delivered { delivered_at, .. } => {
            out.raw(",\"deliveredAt\":\"").show(delivered_at).raw("\"");
        }
        Stage::Cancelled { cancelled_at, .. } => {
            out.raw(",\"cancelledAt\":\"").show(cancelled_at).raw("\"");
        }
        _ => {}
    }
    out.raw(",\"metadata\":").raw(order.metadata.as_str());
    out.raw(",\"version\":").show(order.version).raw("}");
    Bytes::from(out.0)
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// For values whose text needs no escaping.
    fn show(&mut self, value: impl std::fmt::Display) -> &mut Self {
        // Writing to memory cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> &mut Self {
        // Plain structs and texts, written to memory, cannot fail.
        let _ = serde_json::to_writer(&mut self.0, value);
        self
    }
}
