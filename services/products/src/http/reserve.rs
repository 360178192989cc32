//! `POST /:id/reserve`: holds some of one product for an order id.

use axum::extract::State;
use holdfast_contract::{ProductId, Quantity};
use holdfast_service::http::{ApiError, ApiResult, ErrorBody, PathId, StrictJson, SuccessBody, ok};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, errors, units};
use crate::decider::HttpHold;
use crate::domain::OrderRef;

/// How much, and for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StockRequest {
    /// How many.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000, example = 2)]
    quantity: Quantity,
    /// What the caller calls the order: 1 to 64 visible characters. An order's `_id` and its number are the same.
    #[schema(min_length = 1, max_length = 64, pattern = r"^\S+$", example = "till-7-0042")]
    order_id: String,
}

impl StockRequest {
    /// The command, and the caller's own text of the order id.
    pub(super) fn read(self, product: ProductId) -> ApiResult<(HttpHold, String)> {
        let order = OrderRef::new(&self.order_id).map_err(|e| ApiError::invalid("orderId", e.to_string()))?;
        Ok((HttpHold { product, order, quantity: self.quantity }, self.order_id))
    }
}

/// What was reserved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reserved {
    /// Of what.
    #[schema(value_type = String)]
    product_id: ProductId,
    /// Its name.
    #[schema(example = "Test Product")]
    product_name: String,
    /// How much.
    #[schema(example = 2)]
    reserved_quantity: u64,
    /// What was available after it.
    #[schema(example = 48)]
    new_stock: u64,
    /// For whom.
    order_id: String,
}

/// Reserve stock
///
/// A single-line reservation with `source: http`, idempotent per order id and product: the same quantity again answers
/// the same. Goes through the same single writer as orders.
#[utoipa::path(
    post, path = "/api/v1/products/{id}/reserve", tag = "stock", operation_id = "reserveStock",
    request_body = StockRequest,
    params(("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$")),
    responses(
        (status = 200, description = "Held", body = SuccessBody<Reserved>),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, body = ErrorBody,
         description = "`INSUFFICIENT_STOCK` (`details.available` says what could be had), `PRODUCT_INACTIVE`, \
                        `RESERVATION_MISMATCH`, `ALREADY_RELEASED`, `HOLD_OWNED_BY_ORDER`"),
    ),
)]
pub(super) async fn reserve(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    StrictJson { value, .. }: StrictJson<StockRequest>,
) -> ApiResult {
    let (hold, order_id) = value.read(id)?;
    let held = app.decider.reserve(hold).await.map_err(|e| errors::command(e, "quantity"))?;
    let message =
        format!("Reserved {} of {} (new stock: {})", units(held.quantity), held.product_name, held.new_stock);
    let reserved = Reserved {
        product_id: held.product,
        product_name: held.product_name.to_string(),
        reserved_quantity: held.quantity,
        new_stock: held.new_stock,
        order_id,
    };
    ok(&message, &reserved)
}
