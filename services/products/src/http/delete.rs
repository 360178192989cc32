//! `DELETE /:id`: hides a product; its ledger stays.

use axum::extract::State;
use holdfast_contract::ProductId;
use holdfast_service::http::{ApiResult, ErrorBody, PathId, SuccessBody, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, errors};

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
    params(("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$")),
    responses(
        (status = 200, description = "Deleted", body = SuccessBody<Deleted>),
        (status = 400, description = "`INVALID_ID`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`HOLDS_OPEN`; `details.holds` names the oldest of them", body = ErrorBody),
    ),
)]
pub(super) async fn delete(State(app): State<App>, PathId(id): PathId<ProductId>) -> ApiResult {
    app.decider.hide(id).await.map_err(|e| errors::command(e, "stock"))?;
    ok("Product deleted", &Deleted { id })
}
