//! The API document.

use utoipa::OpenApi;

use super::{cancel, create, delete, edit, get, list, schema, set_status, statuses, timeline, user_orders};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast orders",
        description = "Takes orders, keeps them, and has their stock held. Every answer has the same envelope; error codes are a closed list.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    servers((url = "http://localhost:3004", description = "The orders service on this machine")),
    tags(
        (name = "orders", description = "Orders and what happens to them"),
        (name = "operations", description = "For operators and their tools")
    ),
    paths(
        create::handle,
        list::handle,
        statuses::handle,
        user_orders::handle,
        get::handle,
        edit::handle,
        delete::handle,
        set_status::handle,
        cancel::handle,
        timeline::handle,
        operations::live,
        operations::ready,
        operations::audit,
        operations::metrics,
        operations::document,
    ),
    components(schemas(schema::OrderBody, holdfast_service::http::ErrorBody))
)]
struct Document;

/// The document; `/openapi.json` serves it and `api/` keeps a copy that is checked for drift.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi().merge_from(holdfast_service::operator::openapi());
    holdfast_service::http::openapi::complete(&mut document, crate::access::ACCESS);
    document
}

/// The routes that [`holdfast_service::http::operational_routes`] serves; here only for the document.
#[expect(dead_code, reason = "carriers of documentation, never called")]
mod operations {
    use holdfast_service::audit::AuditReport;
    use holdfast_service::http::{ErrorBody, SuccessBody};

    /// Whether the process runs
    #[utoipa::path(get, path = "/health/live", tag = "operations", operation_id = "healthLive",
        responses((status = 200, description = "It does")))]
    pub(super) fn live() {}

    /// Whether it can do its work
    #[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "healthReady",
        responses((status = 200, description = "It can"),
            (status = 503, description = "SERVICE_UNAVAILABLE: `details.checks` says what is not ready", body = ErrorBody)))]
    pub(super) fn ready() {}

    /// What the background audit has found
    ///
    /// Products: whether every balance follows from its movements and open holds. Orders: whether each order's stock is what
    /// Products answered, and what Products holds. Always 200; `data.status` says how it stands, from the worst on `mismatch`,
    /// `stale`, `running`, `clean`, `standby`, `off`.
    #[utoipa::path(get, path = "/health/audit", tag = "operations", operation_id = "healthAudit",
        responses((status = 200, description = "How it stands", body = SuccessBody<AuditReport>)))]
    pub(super) fn audit() {}

    /// Prometheus metrics
    #[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
        responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
    pub(super) fn metrics() {}

    /// This document
    #[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
        responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
    pub(super) fn document() {}
}
