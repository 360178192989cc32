//! `GET /:id`: one product.

use axum::extract::State;
use holdfast_contract::ProductId;
use holdfast_service::http::{ApiResult, ErrorBody, PathId, SuccessBody, ok};

use super::App;
use super::model::ProductData;
use super::version::tagged;

/// Get a product
///
/// With its stock. The `ETag` is its version.
#[utoipa::path(
    get, path = "/api/v1/products/{id}", tag = "products", operation_id = "getProduct",
    params(("id" = String, Path, description = "The product's `_id`: 24 hexadecimal digits", pattern = "^[0-9a-fA-F]{24}$")),
    responses(
        (status = 200, description = "The product", body = SuccessBody<ProductData>,
         headers(("ETag" = String, description = "Its version, in quotes"))),
        (status = 400, description = "`INVALID_ID`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
    ),
)]
pub(super) async fn get(State(app): State<App>, PathId(id): PathId<ProductId>) -> ApiResult {
    let view = app.product(id).await?;
    Ok(tagged(ok("Product found", &ProductData::from(&view))?, view.level.version()))
}
