//! `PUT /api/v1/orders/{id}`: change where an order goes, or what the client keeps with it.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::put;
use holdfast_service::http::envelope::raw_body;
use holdfast_service::http::{ApiError, ErrorBody, JsonObject, PathId, StrictJson, SuccessBody};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::asked::{Answers, Head, answered, tag};
use super::input::{self, OrderRef, Problems};
use super::schema::{AddressBody, OrderData};
use super::{BASE, Route, State, errors};
use crate::domain::{Address, Command};
use crate::usecase::{Answer, ChangeRequest, Outcome};

/// What is to be changed; at least one of address and metadata.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = EditOrder)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Edit {
    /// The new address, whole. Possible until the order is shipped.
    #[schema(value_type = Option<AddressBody>)]
    shipping_address: Option<Address>,
    /// The new metadata, in place of the old.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonObject>,
    /// The version that this was decided on; the same as `If-Match`.
    #[schema(minimum = 1)]
    version: Option<u64>,
}

pub(super) fn route() -> Route {
    Route { method: "PUT", path: super::get::PATH, handler: put(handle) }
}

/// Edit an order
///
/// Shipping address and metadata only.
#[utoipa::path(
    put, path = "/api/v1/orders/{id}", tag = "orders", operation_id = "editOrder",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Makes the call safe to repeat for at least 24 hours"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|[0-9]{1,18}|\"[0-9]{1,18}\")$", description = "The `ETag` that this was decided on", example = "\"3\"")),
    request_body = Edit,
    responses(
        (status = 200, description = "Changed, or so already", body = SuccessBody<OrderData>,
            headers(("ETag" = String, description = "The order's new version"))),
        (status = 400, description = "INVALID_JSON, VALIDATION_FAILED, INVALID_ID, INVALID_IDEMPOTENCY_KEY", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody),
        (status = 409, description = "IDEMPOTENCY_IN_PROGRESS", body = ErrorBody),
        (status = 412, description = "VERSION_CONFLICT", body = ErrorBody,
            example = json!({"success": false, "error": "Version Conflict", "code": "VERSION_CONFLICT",
                "message": "The order is at version 4, not 3: read it again", "statusCode": 412,
                "requestId": "5f2c1a-00001d0e", "details": {"expected": 3, "current": 4}})),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ErrorBody),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ErrorBody),
        (status = 422, description = "INVALID_TRANSITION (the address once the goods have left), IDEMPOTENCY_KEY_REUSED", body = ErrorBody),
        (status = 503, description = "SERVICE_UNAVAILABLE, OVERLOADED", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    PathId(OrderRef(id)): PathId<OrderRef>,
    head: Head,
    body: StrictJson<Edit>,
) -> Result<Response, ApiError> {
    let Edit { shipping_address: address, metadata, version } = body.value;
    if address.is_none() && metadata.is_none() {
        return Err(ApiError::invalid(
            "body",
            "must have shippingAddress or metadata; nothing else can be edited",
        ));
    }
    let expected = head.expected(version)?;
    let metadata = match &metadata {
        None => None,
        Some(object) => {
            let mut problems = Problems::default();
            let metadata = input::metadata(object, &mut problems);
            Some(problems.or(metadata)?)
        }
    };
    let asked = head.ask(&cases, || format!("PUT {BASE}/{id}"), &body.raw)?;
    let command = Command::Edit { address, metadata };
    let answer = cases
        .change(ChangeRequest { id, command, expected, asked: &asked }, &Answers(render))
        .await
        .map_err(errors::change)?;
    let version = version_of(&answer);
    let mut response = answered(answer);
    if let Some(version) = version {
        tag(&mut response, version);
    }
    Ok(response)
}

fn render(outcome: Outcome<'_>) -> Vec<u8> {
    let message = if outcome.is_noop() { "Order is so already" } else { "Order updated" };
    raw_body(message, &[("order", outcome.view)], &[])
}

/// The version in an answer: a replayed one has the tag of the first, not of what the order has become.
fn version_of(answer: &Answer) -> Option<u64> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body["data"]["order"]["version"].as_u64()
}
