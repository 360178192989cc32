//! `POST /:id/reserve`: holds some of one product for an order id.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use holdfast_contract::{ProductId, Quantity};
use holdfast_service::http::{
    ApiError, ApiResult, Caller, ErrorBody, IdempotencyKey, PathId, RequestContext, StrictJson, SuccessBody,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::idempotent::{Request, data_answer, respond};
use super::{App, PRODUCTS_PATH, errors, units};
use crate::decider::{Answered, HttpHeld, HttpHold};
use crate::domain::OrderRef;
use crate::store::StoredAnswer;

/// The field that is an amount.
pub(super) const AMOUNT: &str = "quantity";

/// How much, and for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StockRequest {
    /// How many.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000, example = 2)]
    quantity: Quantity,
    /// What the caller calls the order: 1 to 64 visible characters. An order's `_id` and its number are the same.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$",
        example = "till-7-0042"
    )]
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
    params(
        ("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect"),
    ),
    responses(
        (status = 200, description = "Held", body = SuccessBody<Reserved>),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, body = ErrorBody,
         description = "`INSUFFICIENT_STOCK` (`details.available` says what could be had), `PRODUCT_INACTIVE`, \
                        `RESERVATION_MISMATCH`, `ALREADY_RELEASED`, `HOLD_OWNED_BY_ORDER`"),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn reserve(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    Extension(context): Extension<RequestContext>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    StrictJson { value, raw }: StrictJson<StockRequest>,
) -> ApiResult<Response> {
    let (hold, order_id) = value.read(id)?;
    let answer = move |held: &HttpHeld| answer(held, &order_id);
    let answered = match &key {
        None => app.decider.reserve(hold).await.map(|made| Answered::Fresh { made, stored: None }),
        Some(key) => {
            let route = format!("POST {PRODUCTS_PATH}/{id}/reserve");
            let (caller, context, body) = (&caller, &context, &raw[..]);
            let request = Request { caller, route, key, body, context, amount: AMOUNT };
            app.decider.reserve_once(hold, request.stored_as(answer.clone())?).await
        }
    };
    Ok(respond(answered.map_err(|e| errors::command(e, AMOUNT))?, answer))
}

fn answer(held: &HttpHeld, order_id: &str) -> StoredAnswer {
    let message =
        format!("Reserved {} of {} (new stock: {})", units(held.quantity), held.product_name, held.new_stock);
    let reserved = Reserved {
        product_id: held.product,
        product_name: held.product_name.to_string(),
        reserved_quantity: held.quantity,
        new_stock: held.new_stock,
        order_id: order_id.to_owned(),
    };
    data_answer(&message, &reserved)
}
