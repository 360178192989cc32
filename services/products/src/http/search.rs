//! `GET /search?q=`: the catalogue, by words.

use axum::extract::State;
use holdfast_contract::ErrorCode;
use holdfast_service::http::{ApiError, ApiResult, ErrorBody, StrictQuery};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::list::{ListQuery, page};
use super::model::ProductPageAnswer;

/// What to look for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Words, each at least the start of a word of the product.
    #[param(required = true, value_type = String, min_length = 1, max_length = 200, example = "wireless head")]
    q: Option<String>,
    /// From 1.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64, default = 1)]
    page: Option<u32>,
    /// Products on a page.
    #[param(minimum = 1, maximum = 200, default = 20)]
    limit: Option<u32>,
    /// As in the list; without it, best match first.
    #[param(pattern = "^-?(name|price|stock|rating|createdAt)$")]
    sort: Option<String>,
}

/// Search products
///
/// Best match first. Any text is safe; one without a letter or a digit finds nothing.
#[utoipa::path(
    get, path = "/api/v1/products/search", tag = "products", operation_id = "searchProducts", params(SearchQuery),
    responses(
        (status = 200, description = "A page of products", body = ProductPageAnswer),
        (status = 400, description = "`INVALID_QUERY`", body = ErrorBody),
    ),
)]
pub(super) async fn search(
    State(app): State<App>,
    StrictQuery(query): StrictQuery<SearchQuery>,
) -> ApiResult {
    let SearchQuery { q, page: number, limit, sort } = query;
    let invalid = |problem: &str| ApiError::of_field(ErrorCode::InvalidQuery, "q", problem);
    let text = q.filter(|q| !q.trim().is_empty()).ok_or_else(|| invalid("is required"))?;
    if text.chars().nth(200).is_some() {
        return Err(invalid("must be at most 200 characters"));
    }
    page(&app, ListQuery::searching(text, number, limit, sort)).await
}
