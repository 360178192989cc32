//! `PUT /:id`: other details. Stock is not one of them.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use holdfast_contract::text::Name;
use holdfast_contract::{Currency, Decimal, ErrorCode, ProductId};
use holdfast_service::http::{
    ApiError, ApiResult, Caller, ErrorBody, IdempotencyKey, PathId, RequestContext, StrictJson, SuccessBody,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::idempotent::{Request, product_answer, respond};
use super::input::{self, given, present};
use super::model::ProductData;
use super::version::{expected, tagged};
use super::{App, PRODUCTS_PATH, errors};
use crate::decider::{Answered, Edit};
use crate::domain::{Category, ImageUrl, ProductPatch, ProductView, Sku, Tag};
use crate::store::StoredAnswer;

/// There is none; a refusal of an amount would name it.
const AMOUNT: &str = "stock";

/// What changes; what is left out stays as it is, and `null` removes what need not be there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UpdateProduct {
    /// What it is called.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Option<Name>,
    /// More about it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, max_length = 5000)]
    description: Option<String>,
    /// What one costs. Orders that were placed keep the price that they were placed with.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = f64, required = false, minimum = 0)]
    price: Option<Decimal>,
    /// May be named, but must be the shop's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, pattern = "^[A-Z]{3}$")]
    currency: Option<Currency>,
    /// What it is grouped by.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    category: Option<Option<Category>>,
    /// The merchant's own code; unique.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    sku: Option<Option<Sku>>,
    /// Who makes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    brand: Option<Option<Name>>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false, max_items = 30)]
    tags: Option<Vec<Tag>>,
    /// Where its picture is: an http(s) address, or a path that starts with `/`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000, pattern = r#"^(https?://[^\x00-\x20"<>\\\x7f-\x9f]+|/([^/\x00-\x20"<>\\\x7f-\x9f][^\x00-\x20"<>\\\x7f-\x9f]*)?)$"#)]
    image_url: Option<Option<ImageUrl>>,
    /// 0 to 5 stars, at most two decimals.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 5)]
    rating: Option<Option<f64>>,
    /// How many rated it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, maximum = 4_294_967_295_u64)]
    review_count: Option<u32>,
    /// Whether it can be ordered.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    /// The version that the change was made for, as `If-Match` says it too.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false)]
    version: Option<u64>,
    // Stock moves only with a cause; these are named here so that the refusal can say so.
    #[serde(default, deserialize_with = "present")]
    #[schema(ignore)]
    stock: bool,
    #[serde(default, deserialize_with = "present")]
    #[schema(ignore)]
    on_hand: bool,
    #[serde(default, deserialize_with = "present")]
    #[schema(ignore)]
    reserved: bool,
}

impl UpdateProduct {
    fn read(self, currency: Currency) -> ApiResult<ProductPatch> {
        if self.stock || self.on_hand || self.reserved {
            return Err(ApiError::new(
                ErrorCode::StockNotEditable,
                "Stock is not edited; POST /api/v1/products/{id}/adjust corrects it, with a reason",
            ));
        }
        input::same_currency(self.currency, currency)?;
        let patch = ProductPatch {
            name: self.name,
            description: self.description.as_deref().map(input::description).transpose()?,
            price: self.price.map(|p| input::price(p, currency)).transpose()?,
            category: self.category,
            sku: self.sku,
            brand: self.brand,
            tags: self.tags.map(input::tags).transpose()?,
            image_url: self.image_url.map(|url| url.map(input::image_url).transpose()).transpose()?,
            rating: self.rating.map(|stars| stars.map(input::rating).transpose()).transpose()?,
            review_count: self.review_count,
            is_active: self.is_active,
        };
        if patch == ProductPatch::default() {
            return Err(ApiError::invalid("body", "must have at least one field that is to be changed"));
        }
        Ok(patch)
    }
}

/// Edit a product
///
/// Changes the details that are given. Stock is not one of them: it is adjusted, with a reason.
#[utoipa::path(
    put, path = "/api/v1/products/{id}", tag = "products", operation_id = "updateProduct",
    request_body = UpdateProduct,
    params(
        ("id" = String, Path, description = "The product's `_id`", pattern = "^[0-9a-fA-F]{24}$"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|[0-9]{1,18}|\"[0-9]{1,18}\")$", description = "The version that the change was made for"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect"),
    ),
    responses(
        (status = 200, description = "The product after the change", body = SuccessBody<ProductData>,
         headers(("ETag" = String, description = "Its version, in quotes"))),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_ID`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 404, description = "`PRODUCT_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`DUPLICATE_SKU`", body = ErrorBody),
        (status = 412, description = "`VERSION_CONFLICT`", body = ErrorBody),
        (status = 422, description = "`STOCK_NOT_EDITABLE`, `IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn update(
    State(app): State<App>,
    PathId(product): PathId<ProductId>,
    Extension(context): Extension<RequestContext>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    headers: HeaderMap,
    StrictJson { value, raw }: StrictJson<UpdateProduct>,
) -> ApiResult<Response> {
    let if_version = expected(&headers, value.version)?;
    let edit = Edit { product, patch: value.read(app.currency)?, if_version };
    let answered = match &key {
        None => app.decider.edit(edit).await.map(|made| Answered::Fresh { made, stored: None }),
        Some(key) => {
            let route = format!("PUT {PRODUCTS_PATH}/{product}");
            let (caller, context, body) = (&caller, &context, &raw[..]);
            let request = Request { caller, route, key, body, context, amount: AMOUNT };
            app.decider.edit_once(edit, request.stored_as(answer)?).await
        }
    };
    let answered = answered.map_err(|e| errors::command(e, AMOUNT))?;
    let version = match &answered {
        Answered::Fresh { made, .. } => Some(made.level.version()),
        Answered::Refused(stored) | Answered::Replayed(stored) => version_of(stored),
    };
    let response = respond(answered, answer);
    Ok(match version {
        Some(version) => tagged(response, version),
        None => response,
    })
}

fn answer(view: &ProductView) -> StoredAnswer {
    product_answer(StatusCode::OK, "Product updated", view)
}

/// The version in an answer that was stored; `None` for a refusal.
fn version_of(stored: &StoredAnswer) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(&stored.body).ok()?;
    body["data"]["product"]["version"].as_u64()
}
