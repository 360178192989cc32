//! `GET /api/v1/orders/{id}`: one order, by `_id` or by `orderNumber`.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use holdfast_service::http::{ApiError, Caller, ErrorBody, PathId, SuccessBody, ok_raw};

use super::asked::tag;
use super::input::OrderRef;
use super::schema::OrderData;
use super::{Route, State, errors};
use crate::domain::view;

pub(super) const PATH: &str = "/api/v1/orders/{id}";

pub(super) fn route() -> Route {
    Route { method: "GET", path: PATH, handler: get(handle) }
}

/// Get an order
#[utoipa::path(
    get, path = "/api/v1/orders/{id}", tag = "orders", operation_id = "getOrder",
    params(("id" = String, Path, description = "`_id` or `orderNumber`", pattern = "^([0-9a-fA-F]{24}|[Oo][Rr][Dd]-[0-9A-Za-z]{13})$")),
    responses(
        (status = 200, description = "The order", body = SuccessBody<OrderData>,
            headers(("ETag" = String, description = "The order's version, for `If-Match`"))),
        (status = 400, description = "INVALID_ID", body = ErrorBody),
        (status = 404, description = "ORDER_NOT_FOUND", body = ErrorBody,
            example = json!({"success": false, "error": "Order Not Found", "code": "ORDER_NOT_FOUND",
                "message": "There is no such order", "statusCode": 404, "requestId": "5f2c1a-00001d0e"})),
        (status = 503, description = "SERVICE_UNAVAILABLE", body = ErrorBody),
    )
)]
pub(super) async fn handle(
    Extract(cases): State,
    caller: Caller,
    PathId(OrderRef(id)): PathId<OrderRef>,
) -> Result<Response, ApiError> {
    let order = cases
        .get(id)
        .await
        .map_err(errors::store)?
        .filter(|order| caller.may_act_for(order.user_id.as_str()))
        .ok_or_else(errors::no_such_order)?;
    let mut response = ok_raw(StatusCode::OK, "Order found", &[("order", &view::render(&order))]);
    tag(&mut response, order.version);
    Ok(response)
}
