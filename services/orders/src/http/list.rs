//! `GET /api/v1/orders`: the orders, newest first.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::get;
use holdfast_contract::text::UserId;
use holdfast_service::http::{ApiError, Caller, ErrorBody, StrictQuery};

use super::listing::{self, ListParams};
use super::schema::OrderList;
use super::{BASE, Route, State, errors};

pub(super) fn route() -> Route {
    Route { method: "GET", path: BASE, handler: get(handle) }
}

/// List orders
///
/// Shows your own write at once; text search may lag by a second.
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "orders", operation_id = "listOrders",
    params(ListParams),
    responses(
        (status = 200, description = "A page of orders", body = OrderList),
        (status = 400, description = "INVALID_QUERY, INVALID_CURSOR", body = ErrorBody,
            example = json!({"success": false, "error": "Invalid Query", "code": "INVALID_QUERY",
                "message": "limit: must be from 1 to 200", "statusCode": 400, "requestId": "5f2c1a-00001d0e",
                "fields": {"limit": "must be from 1 to 200"}})),
        (status = 503, description = "SERVICE_UNAVAILABLE", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    caller: Caller,
    StrictQuery(params): StrictQuery<ListParams>,
) -> Result<Response, ApiError> {
    // A customer sees the own orders.
    let own = if caller.is_staff() {
        None
    } else {
        Some(UserId::new(caller.subject()).map_err(|_| errors::staff_only())?)
    };
    listing::answer(&cases, params, own).await
}
