//! `GET /api/v1/orders/user/{userId}`: one user's orders.

use axum::extract::State as Extract;
use axum::response::Response;
use axum::routing::get;
use holdfast_contract::ErrorCode;
use holdfast_contract::text::UserId;
use holdfast_service::http::{ApiError, Caller, ErrorBody, PathId, StrictQuery};

use super::listing::{self, ListParams};
use super::schema::OrderList;
use super::{Route, State};

pub(super) fn route() -> Route {
    Route { method: "GET", path: "/api/v1/orders/user/{userId}", handler: get(handle) }
}

/// List a user's orders
#[utoipa::path(
    get, path = "/api/v1/orders/user/{userId}", tag = "orders", operation_id = "listUserOrders",
    params(("userId" = String, Path, description = "Whose orders", max_length = 128), ListParams),
    responses(
        (status = 200, description = "A page of orders; empty for a user without any", body = OrderList),
        (status = 400, description = "INVALID_ID, INVALID_QUERY, INVALID_CURSOR", body = ErrorBody),
        (status = 403, description = "FORBIDDEN: another user's", body = ErrorBody),
        (status = 503, description = "SERVICE_UNAVAILABLE", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    caller: Caller,
    PathId(user): PathId<UserId>,
    StrictQuery(params): StrictQuery<ListParams>,
) -> Result<Response, ApiError> {
    if !caller.may_act_for(user.as_str()) {
        return Err(ApiError::new(ErrorCode::Forbidden, "These are another user's orders"));
    }
    listing::answer(&cases, params, Some(user)).await
}
