//! `POST /:id/release`: gives back what an order id holds of one product.

use axum::extract::State;
use holdfast_contract::ProductId;
use holdfast_service::http::{ApiResult, ErrorBody, PathId, StrictJson, SuccessBody, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::reserve::StockRequest;
use super::{App, errors, units};

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
    params(("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$")),
    responses(
        (status = 200, description = "Released, or nothing was held", body = SuccessBody<Released>),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`RESERVATION_MISMATCH`, `HOLD_OWNED_BY_ORDER`", body = ErrorBody),
    ),
)]
pub(super) async fn release(
    State(app): State<App>,
    PathId(id): PathId<ProductId>,
    StrictJson { value, .. }: StrictJson<StockRequest>,
) -> ApiResult {
    let (hold, order_id) = value.read(id)?;
    let held = app.decider.release(hold).await.map_err(|e| errors::command(e, "quantity"))?;
    let message =
        format!("Released {} of {} (new stock: {})", units(held.quantity), held.product_name, held.new_stock);
    let released = Released {
        product_id: held.product,
        product_name: held.product_name.to_string(),
        released_quantity: held.quantity,
        new_stock: held.new_stock,
        order_id,
    };
    ok(&message, &released)
}
