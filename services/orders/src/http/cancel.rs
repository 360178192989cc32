//! `PATCH /api/v1/orders/{id}/cancel`: the owner or an admin cancels an order.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::patch;
use holdfast_contract::text::Note;
use holdfast_service::http::envelope::raw_body;
use holdfast_service::http::{ApiError, ErrorBody, MaybeJson, PathId, SuccessBody};
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{Answers, Head, answered};
use super::input::OrderRef;
use super::schema::OrderData;
use super::{BASE, Route, State, errors};
use crate::domain::Command;
use crate::usecase::{ChangeRequest, Outcome};

/// Why; the whole body may be left out, or be `null`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CancelOrder)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    /// Kept as `cancelReason`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500, example = "Changed my mind")]
    reason: Option<Note>,
}

pub(super) fn route() -> Route {
    Route { method: "PATCH", path: "/api/v1/orders/{id}/cancel", handler: patch(handle) }
}

/// Cancel an order
///
/// What it holds is given back; what was shipped already is booked back in. Cancelling twice is a no-op.
#[utoipa::path(
    patch, path = "/api/v1/orders/{id}/cancel", tag = "orders", operation_id = "cancelOrder",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Makes the call safe to repeat for at least 24 hours"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|[0-9]{1,18}|\"[0-9]{1,18}\")$", description = "The version that this was decided on")),
    request_body = Option<Cancel>,
    responses(
        (status = 200, description = "Cancelled, or was so already", body = SuccessBody<OrderData>),
        (status = 400, description = "INVALID_JSON, VALIDATION_FAILED, INVALID_ID, INVALID_IDEMPOTENCY_KEY", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody),
        (status = 409, description = "IDEMPOTENCY_IN_PROGRESS", body = ErrorBody),
        (status = 412, description = "VERSION_CONFLICT", body = ErrorBody),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ErrorBody),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ErrorBody),
        (status = 422, description = "INVALID_TRANSITION (delivered), IDEMPOTENCY_KEY_REUSED", body = ErrorBody),
        (status = 503, description = "SERVICE_UNAVAILABLE, OVERLOADED", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    PathId(OrderRef(id)): PathId<OrderRef>,
    head: Head,
    body: MaybeJson<Option<Cancel>>,
) -> Result<Response, ApiError> {
    let Cancel { reason } = body.value.flatten().unwrap_or_default();
    let expected = head.expected(None)?;
    let asked = head.ask(&cases, || format!("PATCH {BASE}/{id}/cancel"), &body.raw)?;
    // Whether the caller may, the use case sees once it has the order.
    let command = Command::Cancel { reason };
    let answer = cases
        .change(ChangeRequest { id, command, expected, asked: &asked }, &Answers(render))
        .await
        .map_err(errors::change)?;
    Ok(answered(answer))
}

fn render(outcome: Outcome<'_>) -> Vec<u8> {
    let message = if outcome.is_noop() { "Order is Cancelled already" } else { "Order cancelled" };
    raw_body(message, &[("order", outcome.view)], &[])
}
