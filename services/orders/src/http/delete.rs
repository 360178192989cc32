//! `DELETE /api/v1/orders/{id}`: an admin takes an order out of sight. Its record and its events stay.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::delete;
use holdfast_service::http::envelope::raw_body;
use holdfast_service::http::{ApiError, ErrorBody, PathId, SuccessBody};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::asked::{Answers, Head, answered};
use super::input::OrderRef;
use super::{Route, State, errors};
use crate::domain::Command;
use crate::http::BASE;
use crate::usecase::{ChangeRequest, Outcome};

/// `data` of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderDeleted)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    /// Which order.
    #[serde(rename = "_id")]
    #[schema(example = "691e66d0005e1b0c9a000001")]
    id: String,
    /// Its number.
    #[schema(example = "ORD-05W4V6GA3Y001")]
    order_number: String,
    /// Whether it had to be cancelled first.
    cancelled: bool,
}

pub(super) fn route() -> Route {
    Route { method: "DELETE", path: super::get::PATH, handler: delete(handle) }
}

/// Delete an order
///
/// A pending or processing order is cancelled first. Shipped and delivered ones stay.
#[utoipa::path(
    delete, path = "/api/v1/orders/{id}", tag = "orders", operation_id = "deleteOrder",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Makes the call safe to repeat for at least 24 hours"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|[0-9]{1,18}|\"[0-9]{1,18}\")$", description = "The version that this was decided on")),
    responses(
        (status = 200, description = "Deleted: from now on it is not found", body = SuccessBody<Deleted>),
        (status = 400, description = "INVALID_ID, INVALID_IDEMPOTENCY_KEY", body = ErrorBody),
        (status = 403, description = "FORBIDDEN", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody),
        (status = 409, description = "IDEMPOTENCY_IN_PROGRESS", body = ErrorBody),
        (status = 412, description = "VERSION_CONFLICT", body = ErrorBody),
        (status = 422, description = "ORDER_NOT_DELETABLE, IDEMPOTENCY_KEY_REUSED", body = ErrorBody,
            example = json!({"success": false, "error": "Order Not Deletable", "code": "ORDER_NOT_DELETABLE",
                "message": "An order that is Shipped cannot be deleted", "statusCode": 422,
                "requestId": "5f2c1a-00001d0e", "details": {"status": 3, "statusLabel": "Shipped"}})),
        (status = 503, description = "SERVICE_UNAVAILABLE, OVERLOADED", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    PathId(OrderRef(id)): PathId<OrderRef>,
    head: Head,
) -> Result<Response, ApiError> {
    if !head.caller.is_admin() {
        return Err(errors::admins_only());
    }
    let expected = head.expected(None)?;
    let asked = head.ask(&cases, || format!("DELETE {BASE}/{id}"), b"")?;
    let command = Command::Hide;
    let answer = cases
        .change(ChangeRequest { id, command, expected, asked: &asked }, &Answers(render))
        .await
        .map_err(errors::change)?;
    Ok(answered(answer))
}

fn render(outcome: Outcome<'_>) -> Vec<u8> {
    let (id, number) = (json!(outcome.after.id), json!(outcome.after.number()));
    let cancelled = outcome.before.status() != outcome.after.status();
    raw_body(
        "Order deleted",
        &[
            ("_id", id.to_string().as_bytes()),
            ("orderNumber", number.to_string().as_bytes()),
            ("cancelled", cancelled.to_string().as_bytes()),
        ],
        &[],
    )
}
