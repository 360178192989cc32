//! `GET /api/v1/orders/statuses`: what statuses there are.

use axum::response::Response;
use axum::routing::get;
use holdfast_contract::OrderStatus;
use holdfast_service::http::{ApiError, SuccessBody, ok};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Route, errors};

/// The statuses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusesData {
    /// In order of their codes.
    statuses: Vec<StatusBody>,
}

/// A status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatusInfo)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusBody {
    /// Its number.
    #[schema(example = 5)]
    code: u8,
    /// Its name in requests.
    #[schema(example = "cancelled")]
    name: &'static str,
    /// What people read.
    #[schema(example = "Cancelled")]
    label: &'static str,
    /// A colour for badges.
    #[schema(example = "#ef4444")]
    color: &'static str,
    /// The codes that it can change to.
    next: Vec<u8>,
}

pub(super) fn route() -> Route {
    Route { method: "GET", path: "/api/v1/orders/statuses", handler: get(handle) }
}

/// List the statuses
#[utoipa::path(
    get, path = "/api/v1/orders/statuses", tag = "orders", operation_id = "listStatuses",
    responses((status = 200, description = "Codes, names, labels and colours", body = SuccessBody<StatusesData>))
)]
pub(super) async fn handle() -> Result<Response, ApiError> {
    let statuses = OrderStatus::ALL
        .into_iter()
        .map(|status| StatusBody {
            code: status.code(),
            name: status.name(),
            label: status.label(),
            color: status.color(),
            next: errors::allowed_after(status).iter().map(|next| next.code()).collect(),
        })
        .collect();
    ok("Order statuses", &StatusesData { statuses })
}
