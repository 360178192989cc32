//! `POST /:id/adjust`: a person corrects what is on hand.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_contract::ProductId;
use holdfast_contract::text::Note;
use holdfast_service::http::{
    ApiError, ApiResult, Caller, ErrorBody, IdempotencyKey, PathId, RequestContext, StrictJson, SuccessBody,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::idempotent::{Request, product_answer, respond};
use super::model::ProductData;
use super::{App, PRODUCTS_PATH, errors};
use crate::decider::Adjust;
use crate::domain::ProductView;

/// The field that becomes stock.
const AMOUNT: &str = "delta";

/// A correction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdjustStock {
    /// How much more (or less) is on hand; not 0.
    #[schema(example = -3)]
    delta: i64,
    /// Why. Kept in the ledger.
    #[schema(value_type = String, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "damaged")]
    reason: Note,
}

/// Adjust stock
///
/// Goes through the same single writer as orders. Refused if less would remain than is held for orders.
#[utoipa::path(
    post, path = "/api/v1/products/{id}/adjust", tag = "stock", operation_id = "adjustStock",
    request_body = AdjustStock,
    params(
        ("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"),
        ("Idempotency-Key" = String, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect"),
    ),
    responses(
        (status = 200, description = "The product after the correction", body = SuccessBody<ProductData>),
        (status = 400, description = "`IDEMPOTENCY_KEY_REQUIRED`, `VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`",
         body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`STOCK_HELD`; `details.holds` names the oldest holds", body = ErrorBody),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn adjust(
    State(app): State<App>,
    PathId(product): PathId<ProductId>,
    Extension(context): Extension<RequestContext>,
    caller: Caller,
    key: IdempotencyKey,
    body: StrictJson<AdjustStock>,
) -> ApiResult<Response> {
    let AdjustStock { delta, reason } = body.value;
    if delta == 0 {
        return Err(ApiError::invalid(AMOUNT, "must not be 0"));
    }
    let answer = move |view: &ProductView| {
        let (name, stock) = (&view.product.details.name, view.level.available());
        product_answer(StatusCode::OK, format!("Adjusted {name} by {delta:+} (new stock: {stock})"), view)
    };
    let request = Request {
        caller: &caller,
        route: format!("POST {PRODUCTS_PATH}/{product}/adjust"),
        key: &key,
        body: &body.raw,
        context: &context,
        amount: AMOUNT,
    };
    let idempotent = request.stored_as(answer)?;
    let answered = app.decider.adjust(Adjust { product, delta, reason }, Some(idempotent)).await;
    Ok(respond(answered.map_err(|e| errors::command(e, AMOUNT))?, answer))
}
