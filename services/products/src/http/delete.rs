//! `DELETE /:id`: hides a product; its ledger stays.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use holdfast_contract::ProductId;
use holdfast_service::http::{
    ApiResult, Caller, ErrorBody, IdempotencyKey, PathId, RequestContext, SuccessBody,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::idempotent::{NO_BODY, Request, data_answer, respond};
use super::{App, PRODUCTS_PATH, errors};
use crate::decider::Answered;

/// There is none; a refusal of an amount would name it.
const AMOUNT: &str = "stock";

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    /// The product.
    #[serde(rename = "_id")]
    #[schema(value_type = String)]
    id: ProductId,
}

/// Delete a product
///
/// It is no longer found or sold. Its holds and movements can still be read. Refused while stock of it is held.
#[utoipa::path(
    delete, path = "/api/v1/products/{id}", tag = "products", operation_id = "deleteProduct",
    params(
        ("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect"),
    ),
    responses(
        (status = 200, description = "Deleted", body = SuccessBody<Deleted>),
        (status = 400, description = "`INVALID_ID`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`HOLDS_OPEN`; `details.holds` names the oldest of them", body = ErrorBody),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn delete(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    Extension(context): Extension<RequestContext>,
    caller: Caller,
    key: Option<IdempotencyKey>,
) -> ApiResult<Response> {
    let answer = move |(): &()| data_answer("Product deleted", &Deleted { id });
    let answered = match &key {
        None => app.decider.hide(id).await.map(|made| Answered::Fresh { made, stored: None }),
        Some(key) => {
            let route = format!("DELETE {PRODUCTS_PATH}/{id}");
            let (caller, context, body) = (&caller, &context, NO_BODY);
            let request = Request { caller, route, key, body, context, amount: AMOUNT };
            app.decider.hide_once(id, request.stored_as(answer)?).await
        }
    };
    Ok(respond(answered.map_err(|e| errors::command(e, AMOUNT))?, answer))
}
