//! `PATCH /api/v1/orders/{id}/status`: move an order on.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::patch;
use holdfast_contract::text::Note;
use holdfast_service::http::envelope::raw_body;
use holdfast_service::http::{ApiError, ErrorBody, PathId, StrictJson, SuccessBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Answers, Head, answered};
use super::input::{OrderRef, StatusInput};
use super::schema::{self, OrderBody};
use super::{BASE, Route, State, errors};
use crate::domain::{Command, TrackingNumber};
use crate::usecase::{ChangeRequest, Outcome};

/// Where to, and what is known about it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SetOrderStatus)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SetStatus {
    /// 1 to 5, or a name such as `cancelled`.
    #[schema(schema_with = schema::status_input)]
    status: StatusInput,
    /// Why; kept as `cancelReason` when cancelling.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    reason: Option<Note>,
    /// The parcel.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    tracking_number: Option<TrackingNumber>,
}

/// `data` of the answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderStatusData)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StatusChanged {
    /// The order as it is now.
    order: OrderBody,
    /// What it was.
    #[schema(example = 1)]
    old_status: u8,
    /// In words.
    #[schema(example = "Pending")]
    old_status_label: String,
    /// What it is.
    #[schema(example = 5)]
    new_status: u8,
    /// In words.
    #[schema(example = "Cancelled")]
    new_status_label: String,
}

pub(super) fn route() -> Route {
    Route { method: "PATCH", path: "/api/v1/orders/{id}/status", handler: patch(handle) }
}

/// Change an order's status
///
/// Allowed: 1→2, 1→5, 2→3, 2→5, 3→4, 3→5. 1→2 and 2→3 need reserved stock. The status that it has is a no-op.
#[utoipa::path(
    patch, path = "/api/v1/orders/{id}/status", tag = "orders", operation_id = "setOrderStatus",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Makes the call safe to repeat for at least 24 hours"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|[0-9]{1,18}|\"[0-9]{1,18}\")$", description = "The version that this was decided on")),
    request_body = SetStatus,
    responses(
        (status = 200, description = "Changed, or so already", body = SuccessBody<StatusChanged>),
        (status = 400, description = "INVALID_JSON, VALIDATION_FAILED, INVALID_ID, INVALID_IDEMPOTENCY_KEY", body = ErrorBody),
        (status = 403, description = "FORBIDDEN", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody),
        (status = 409, description = "IDEMPOTENCY_IN_PROGRESS", body = ErrorBody),
        (status = 412, description = "VERSION_CONFLICT", body = ErrorBody),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ErrorBody),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ErrorBody),
        (status = 422, description = "INVALID_TRANSITION, STOCK_NOT_RESERVED, IDEMPOTENCY_KEY_REUSED", body = ErrorBody,
            example = json!({"success": false, "error": "Invalid Transition", "code": "INVALID_TRANSITION",
                "message": "An order that is Delivered cannot become Pending", "statusCode": 422,
                "requestId": "5f2c1a-00001d0e",
                "details": {"from": 4, "fromLabel": "Delivered", "to": 1, "toLabel": "Pending", "allowed": []}})),
        (status = 503, description = "SERVICE_UNAVAILABLE, OVERLOADED", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    PathId(OrderRef(id)): PathId<OrderRef>,
    head: Head,
    body: StrictJson<SetStatus>,
) -> Result<Response, ApiError> {
    if !head.caller.is_staff() {
        return Err(errors::staff_only());
    }
    let SetStatus { status: StatusInput(to), reason, tracking_number } = body.value;
    let expected = head.expected(None)?;
    let asked = head.ask(&cases, || format!("PATCH {BASE}/{id}/status"), &body.raw)?;
    let command = Command::SetStatus { to, reason, tracking: tracking_number };
    let answer = cases
        .change(ChangeRequest { id, command, expected, asked: &asked }, &Answers(render))
        .await
        .map_err(errors::change)?;
    Ok(answered(answer))
}

fn render(outcome: Outcome<'_>) -> Vec<u8> {
    let (old, new) = (outcome.before.status(), outcome.after.status());
    let message = if outcome.is_noop() {
        format!("Order is {} already", new.label())
    } else {
        "Order status updated".to_owned()
    };
    let quoted = |label: &str| format!("\"{label}\"");
    raw_body(
        &message,
        &[
            ("order", outcome.view),
            ("oldStatus", old.code().to_string().as_bytes()),
            ("oldStatusLabel", quoted(old.label()).as_bytes()),
            ("newStatus", new.code().to_string().as_bytes()),
            ("newStatusLabel", quoted(new.label()).as_bytes()),
        ],
        &[],
    )
}
