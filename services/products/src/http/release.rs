//! `POST /:id/release`: gives back what an order id holds of one product.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use holdfast_contract::ProductId;
use holdfast_service::http::{
    ApiResult, Caller, ErrorBody, IdempotencyKey, PathId, RequestContext, StrictJson, SuccessBody,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::idempotent::{Request, data_answer, respond};
use super::reserve::{AMOUNT, StockRequest};
use super::{App, PRODUCTS_PATH, errors, units};
use crate::decider::{Answered, HttpHeld};
use crate::store::StoredAnswer;

/// What was released.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Released {
    /// Of what.
    #[schema(value_type = String)]
    product_id: ProductId,
    /// Its name.
    #[schema(example = "Test Product")]
    product_name: String,
    /// How much; 0 if nothing was held.
    #[schema(example = 2)]
    released_quantity: u64,
    /// What was available after it.
    #[schema(example = 50)]
    new_stock: u64,
    /// For whom.
    order_id: String,
}

/// Release stock
///
/// Gives back what `POST …/reserve` held for this order id; the quantity has to be the same. Releasing what is not held
/// changes no stock and answers `releasedQuantity: 0`; a reserve that comes after it is refused.
#[utoipa::path(
    post, path = "/api/v1/products/{id}/release", tag = "stock", operation_id = "releaseStock",
    request_body = StockRequest,
    params(
        ("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect"),
    ),
    responses(
        (status = 200, description = "Released, or nothing was held", body = SuccessBody<Released>),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`RESERVATION_MISMATCH`, `HOLD_OWNED_BY_ORDER`", body = ErrorBody),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn release(
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
        None => app.decider.release(hold).await.map(|made| Answered::Fresh { made, stored: None }),
        Some(key) => {
            let route = format!("POST {PRODUCTS_PATH}/{id}/release");
            let (caller, context, body) = (&caller, &context, &raw[..]);
            let request = Request { caller, route, key, body, context, amount: AMOUNT };
            app.decider.release_once(hold, request.stored_as(answer.clone())?).await
        }
    };
    Ok(respond(answered.map_err(|e| errors::command(e, AMOUNT))?, answer))
}

fn answer(held: &HttpHeld, order_id: &str) -> StoredAnswer {
    let message =
        format!("Released {} of {} (new stock: {})", units(held.quantity), held.product_name, held.new_stock);
    let released = Released {
        product_id: held.product,
        product_name: held.product_name.to_string(),
        released_quantity: held.quantity,
        new_stock: held.new_stock,
        order_id: order_id.to_owned(),
    };
    data_answer(&message, &released)
}
