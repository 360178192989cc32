//! The routes that every service has, as the API document shows them. They are served by
//! [`holdfast_service::http::operational_routes`].

#![expect(dead_code, reason = "the API document's view of routes that are served elsewhere")]

use holdfast_service::audit::AuditReport;
use holdfast_service::http::{ErrorBody, SuccessBody};

/// Alive?
///
/// Answers as long as the process can.
#[utoipa::path(
    get, path = "/health/live", tag = "operation", operation_id = "live",
    responses((status = 200, description = "Alive", content_type = "application/json", body = Object)),
)]
pub(super) fn live() {}

/// Ready?
///
/// Says what is not ready.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation", operation_id = "ready",
    responses(
        (status = 200, description = "Ready", content_type = "application/json", body = Object),
        (status = 503, description = "`SERVICE_UNAVAILABLE`; `details.checks` says why", body = ErrorBody),
    ),
)]
pub(super) fn ready() {}

/// Audited?
///
/// What the background audit has found: whether every balance follows from its movements and open holds. Always 200;
/// `data.status` says how it stands, from the worst on `mismatch`, `stale`, `running`, `clean`, `standby`, `off`.
#[utoipa::path(
    get, path = "/health/audit", tag = "operation", operation_id = "audit",
    responses((status = 200, description = "Audit", body = SuccessBody<AuditReport>)),
)]
pub(super) fn audit() {}

/// Metrics
///
/// In Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "metrics",
    responses((status = 200, description = "Metrics", content_type = "text/plain", body = String)),
)]
pub(super) fn metrics() {}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)),
)]
pub(super) fn document() {}
