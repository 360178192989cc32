//! `POST /`: a new product, perhaps with first stock.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_contract::text::Name;
use holdfast_contract::{Currency, Decimal, ProductId};
use holdfast_service::http::{
    ApiResult, Caller, ErrorBody, IdempotencyKey, RequestContext, StrictJson, SuccessBody,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::idempotent::{Request, product_answer, respond};
use super::input::{self, given};
use super::model::ProductData;
use super::{App, PRODUCTS_PATH, errors};
use crate::decider::Create;
use crate::domain::{Category, ImageUrl, ProductDetails, ProductView, Sku, Tag};
use crate::store::StoredAnswer;

/// The field that becomes stock.
const AMOUNT: &str = "stock";

/// A new product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CreateProduct {
    /// What it is called.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Gooseneck Electric Kettle")]
    name: Name,
    /// More about it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, max_length = 5000)]
    description: Option<String>,
    /// What one costs, in units of the currency: at most as many decimals as it has.
    #[schema(value_type = f64, minimum = 0, example = 69)]
    price: Decimal,
    /// May be named, but must be the shop's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, pattern = "^[A-Z]{3}$", example = "USD")]
    currency: Option<Currency>,
    /// What it is grouped by.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    category: Option<Category>,
    /// The merchant's own code; unique.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    sku: Option<Sku>,
    /// Who makes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    brand: Option<Name>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false, max_items = 30)]
    tags: Option<Vec<Tag>>,
    /// Where its picture is: an http(s) address, or a path that starts with `/`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000, pattern = r#"^(https?://[^\x00-\x20"<>\\\x7f-\x9f]+|/([^/\x00-\x20"<>\\\x7f-\x9f][^\x00-\x20"<>\\\x7f-\x9f]*)?)$"#)]
    image_url: Option<ImageUrl>,
    /// 0 to 5 stars, at most two decimals.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 5)]
    rating: Option<f64>,
    /// How many rated it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, maximum = 4_294_967_295_u64)]
    review_count: Option<u32>,
    /// Whether it can be ordered; `true` unless said otherwise.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    /// How much of it there is: its first movement, `received`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, minimum = 0, maximum = 1_000_000_000_000_u64)]
    stock: Option<u64>,
}

impl CreateProduct {
    fn read(self, currency: Currency) -> ApiResult<(ProductDetails, u64)> {
        input::same_currency(self.currency, currency)?;
        let details = ProductDetails {
            name: self.name,
            description: input::description(&self.description.unwrap_or_default())?,
            price: input::price(self.price, currency)?,
            category: self.category,
            sku: self.sku,
            brand: self.brand,
            tags: input::tags(self.tags.unwrap_or_default())?,
            image_url: self.image_url.map(input::image_url).transpose()?,
            rating: self.rating.map(input::rating).transpose()?,
            review_count: self.review_count.unwrap_or(0),
            is_active: self.is_active.unwrap_or(true),
        };
        Ok((details, self.stock.unwrap_or(0)))
    }
}

/// Whether `POST` would understand this body, in a shop with this currency: for tools that prove a file before they send
/// it. Whether its SKU is free, only the service knows.
///
/// # Errors
/// What `POST` would answer.
pub fn check_new_product(body: &[u8], currency: Currency) -> ApiResult<()> {
    holdfast_service::http::parse::<CreateProduct>(body)?.read(currency).map(drop)
}

fn answer(view: &ProductView) -> StoredAnswer {
    product_answer(StatusCode::CREATED, "Product created", view)
}

/// Create a product
///
/// Durable before the answer. First stock becomes a movement of the kind `received`.
#[utoipa::path(
    post, path = "/api/v1/products", tag = "products", operation_id = "createProduct",
    request_body = CreateProduct,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
         description = "Repeats the answer instead of the effect")),
    responses(
        (status = 201, description = "The product", body = SuccessBody<ProductData>),
        (status = 400, description = "`VALIDATION_FAILED`, `INVALID_JSON`, `INVALID_IDEMPOTENCY_KEY`", body = ErrorBody),
        (status = 409, description = "`DUPLICATE_SKU`", body = ErrorBody),
        (status = 422, description = "`IDEMPOTENCY_KEY_REUSED`", body = ErrorBody),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    body: StrictJson<CreateProduct>,
) -> ApiResult<Response> {
    let (details, on_hand) = body.value.read(app.currency)?;
    let idempotent = key.as_ref().map(|key| {
        let route = format!("POST {PRODUCTS_PATH}");
        let (caller, context, body) = (&caller, &context, &body.raw[..]);
        Request { caller, route, key, body, context, amount: AMOUNT }.stored_as(answer)
    });
    let create = Create { id: ProductId::from(app.keys.next()), details, on_hand };
    let answered = app.decider.create(create, idempotent.transpose()?).await;
    Ok(respond(answered.map_err(|e| errors::command(e, AMOUNT))?, answer))
}
