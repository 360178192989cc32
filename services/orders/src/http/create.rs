//! `POST /api/v1/orders`: take an order. Durable before it is answered.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use holdfast_contract::text::{Name, UserId};
use holdfast_contract::{Currency, Decimal, ErrorCode, PaymentStatus, ProductId, Quantity};
use holdfast_service::http::envelope::raw_body;
use holdfast_service::http::{ApiError, ErrorBody, JsonObject, StrictJson, SuccessBody, json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{Head, answered, tag};
use super::input::{self, PaymentMethodInput, Problems};
use super::schema::{self, AddressBody, OrderData};
use super::{BASE, Route, State, errors};
use crate::domain::{Address, Draft, DraftItem, MAX_LINES, Metadata};

/// An order to be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateOrder {
    /// Whose it is.
    #[schema(value_type = String, min_length = 1, max_length = 128, example = "test-user-123")]
    user_id: UserId,
    /// What is ordered: 1 to 200 lines. Lines that name the same product are one demand for their sum.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<CreateItem>,
    /// The sum of the lines, to the last cent.
    #[schema(value_type = f64, minimum = 0, example = 59.98)]
    total_amount: Decimal,
    /// Where it goes.
    #[schema(value_type = AddressBody)]
    shipping_address: Address,
    /// A name, or its code: 1 credit_card, 2 debit_card, 3 upi, 4 net_banking, 5 wallet, 6 cash_on_delivery, 7 stripe.
    #[schema(schema_with = schema::payment_method_input)]
    payment_method: PaymentMethodInput,
    /// Whatever the client wants to keep with it, up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonObject>,
}

/// A line of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateItem {
    /// Which product.
    #[schema(value_type = String, pattern = "^[0-9a-fA-F]{24}$", example = "64f0c2a1b2c3d4e5f6a7b8c9")]
    product_id: ProductId,
    /// Its name, as the customer saw it.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Test Product")]
    product_name: Name,
    /// How many.
    #[schema(value_type = u32, minimum = 1, maximum = 1000000, example = 2)]
    quantity: Quantity,
    /// The price of one, as the customer saw it, with no more decimals than the currency has.
    #[schema(value_type = f64, minimum = 0, example = 29.99)]
    price: Decimal,
}

impl CreateOrder {
    /// What can only be said once the currency is known.
    fn into_draft(self, currency: Currency, enforce_price: bool) -> Result<Draft, ApiError> {
        let mut problems = Problems::default();
        if self.items.is_empty() {
            problems.add("items".to_owned(), "must have at least one line".to_owned());
        }
        if self.items.len() > MAX_LINES {
            problems.add("items".to_owned(), format!("must have at most {MAX_LINES} lines"));
            return problems.or(None);
        }
        let mut items = Vec::with_capacity(self.items.len());
        for (index, item) in self.items.into_iter().enumerate() {
            let price =
                input::amount(|| format!("items[{index}].price"), item.price, currency, &mut problems);
            if let Some(price) = price {
                let CreateItem { product_id, product_name, quantity, .. } = item;
                items.push(DraftItem { product_id, product_name, quantity, price });
            }
        }
        let total = input::amount(|| "totalAmount".to_owned(), self.total_amount, currency, &mut problems);
        let metadata = match &self.metadata {
            None => Some(Metadata::empty()),
            Some(object) => input::metadata(object, &mut problems),
        };
        let draft = total.zip(metadata).map(|(total, metadata)| Draft {
            user_id: self.user_id,
            items,
            total,
            address: self.shipping_address,
            payment_method: self.payment_method.0,
            payment_status: PaymentStatus::Pending,
            metadata,
            enforce_price,
        });
        problems.or(draft)
    }
}

/// Reads a body of `POST /api/v1/orders` as the endpoint does, with amounts in `currency`.
///
/// # Errors
/// What the endpoint answers: `INVALID_JSON` or `VALIDATION_FAILED`.
pub fn read_order(raw: &[u8], currency: Currency) -> Result<Draft, ApiError> {
    json::parse::<CreateOrder>(raw)?.into_draft(currency, false)
}

pub(super) fn route() -> Route {
    Route { method: "POST", path: BASE, handler: post(handle) }
}

/// Create an order
///
/// Takes the order durably and asks Products for its stock. `stockStatus` becomes `reserved` or `rejected` within
/// moments; a rejected order is cancelled, with every shortage named.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders", operation_id = "createOrder",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Makes the call safe to repeat for at least 24 hours")),
    request_body = CreateOrder,
    responses(
        (status = 201, description = "Taken", body = SuccessBody<OrderData>,
            headers(("ETag" = String, description = "The order's version"),
                ("Idempotency-Replayed" = String, description = "`true` if this repeats an earlier answer"))),
        (status = 400, description = "INVALID_JSON, VALIDATION_FAILED (`fields` says what), INVALID_IDEMPOTENCY_KEY", body = ErrorBody,
            example = json!({"success": false, "error": "Validation Failed", "code": "VALIDATION_FAILED",
                "message": "items[0].quantity: must be a whole number from 1 to 1000000", "statusCode": 400,
                "requestId": "5f2c1a-00001d0e",
                "fields": {"items[0].quantity": "must be a whole number from 1 to 1000000"}})),
        (status = 403, description = "FORBIDDEN: for another user", body = ErrorBody),
        (status = 409, description = "IDEMPOTENCY_IN_PROGRESS", body = ErrorBody),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ErrorBody),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ErrorBody),
        (status = 422, description = "TOTAL_MISMATCH (`details.expected`), IDEMPOTENCY_KEY_REUSED, TOO_MANY_OPEN_ORDERS (`details.open`, `details.limit`)", body = ErrorBody,
            example = json!({"success": false, "error": "Total Mismatch", "code": "TOTAL_MISMATCH",
                "message": "totalAmount must be the sum of the lines, 59.98 USD", "statusCode": 422,
                "requestId": "5f2c1a-00001d0e", "details": {"expected": 59.98, "currency": "USD"}})),
        (status = 503, description = "SERVICE_UNAVAILABLE; try again with the same Idempotency-Key", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    head: Head,
    body: StrictJson<CreateOrder>,
) -> Result<Response, ApiError> {
    let StrictJson { value, raw } = body;
    if !head.caller.may_act_for(value.user_id.as_str()) {
        return Err(ApiError::new(ErrorCode::Forbidden, "An order can only be placed for oneself"));
    }
    let draft = value.into_draft(cases.currency(), head.caller.enforce_price())?;
    let asked = head.ask(&cases, || format!("POST {BASE}"), &raw)?;
    let answer = cases
        .place(draft, &asked, StatusCode::CREATED.as_u16(), |order| {
            raw_body("Order created", &[("order", order)], &[])
        })
        .await
        .map_err(errors::place)?;
    let mut response = answered(answer);
    tag(&mut response, 1);
    Ok(response)
}
