//! What operators and their tools ask: alive, ready, audited, metrics, the API document.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::future::join_all;
use holdfast_contract::ErrorCode;
use serde_json::json;

use super::envelope::{json_response, ok};
use super::error::{ApiError, ApiResult};
use crate::audit::Board;
use crate::auth::{Rule, STAFF_AND_SERVICES};
use crate::lifecycle::Lifecycle;
use crate::telemetry::Metrics;

/// How long a check may take before it counts as failed.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// Something that a service needs in order to work.
#[async_trait]
pub trait ReadyCheck: Send + Sync + Debug {
    /// What it checks, in a word or two: `store`, `bus`.
    fn name(&self) -> &'static str;

    /// Checks it. Takes well under two seconds; longer counts as not ready.
    ///
    /// # Errors
    /// What is not ready, for operators. Clients see it: it must hold no secrets.
    async fn check(&self) -> Result<(), String>;
}

/// What [`operational_routes`] serves.
#[derive(Clone, Debug)]
pub struct Operational {
    /// The service's name.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What must be ready.
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    /// What the background audit has found.
    pub audit: Board,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The OpenAPI document, as JSON.
    pub openapi: Bytes,
    /// Whether the service is shutting down, and hence not ready.
    pub lifecycle: Lifecycle,
}

/// Who may call them: probes have no token, and the document holds no secret; the rest says how the shop does.
pub const ACCESS: &[Rule] = &[
    Rule::public("GET", "/health/live"),
    Rule::public("GET", "/health/ready"),
    Rule::public("GET", "/openapi.json"),
    Rule::new("GET", "/health/audit", STAFF_AND_SERVICES),
    Rule::new("GET", "/metrics", STAFF_AND_SERVICES),
];

/// `/health/live`, `/health/ready`, `/health/audit`, `/metrics` and `/openapi.json`.
pub fn operational_routes<S: Clone + Send + Sync + 'static>(operational: Operational) -> Router<S> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/audit", get(audit))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .with_state(Arc::new(operational))
}

type Shared = State<Arc<Operational>>;

async fn live(State(this): Shared) -> ApiResult {
    ok("Alive", &json!({"status": "ok", "service": this.service, "version": this.version}))
}

async fn ready(State(this): Shared) -> ApiResult {
    let results = join_all(this.checks.iter().map(|check| async move {
        let result = tokio::time::timeout(CHECK_TIME, check.check())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_TIME.as_secs())));
        (check.name(), result)
    }))
    .await;
    let mut checks = BTreeMap::new();
    let mut problems = Vec::new();
    if this.lifecycle.is_draining() {
        checks.insert("lifecycle", "shutting down".to_owned());
        problems.push("shutting down".to_owned());
    }
    for (name, result) in results {
        let text = result.map_or_else(
            |problem| {
                problems.push(format!("{name}: {problem}"));
                problem
            },
            |()| "ok".to_owned(),
        );
        checks.insert(name, text);
    }
    if problems.is_empty() {
        return ok("Ready", &json!({"status": "ok", "service": this.service, "checks": checks}));
    }
    Err(ApiError::new(ErrorCode::Unavailable, format!("Not ready: {}", problems.join("; ")))
        .details(json!({"checks": checks})))
}

/// 200 whatever was found: it is a fact to be looked at, and no reason to send nobody here any more.
async fn audit(State(this): Shared) -> ApiResult {
    ok("Audit", &this.audit.report())
}

async fn metrics(State(this): Shared) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], this.metrics.render()).into_response()
}

async fn openapi(State(this): Shared) -> Response {
    json_response(StatusCode::OK, this.openapi.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HttpOptions, finish};
    use crate::test_support::TestClient;

    #[derive(Debug)]
    struct Fixed(&'static str, Option<&'static str>);

    #[async_trait]
    impl ReadyCheck for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn check(&self) -> Result<(), String> {
            match self.1 {
                None => Ok(()),
                Some("hangs") => std::future::pending().await,
                Some(problem) => Err(problem.to_owned()),
            }
        }
    }

    fn client(checks: Vec<Fixed>, lifecycle: &Lifecycle) -> TestClient {
        let operational = Operational {
            service: "orders",
            version: "0.1.0",
            checks: checks.into_iter().map(|c| Arc::new(c) as Arc<dyn ReadyCheck>).collect(),
            audit: Board::new("orders", None, &[], Arc::new(crate::SystemClock)),
            metrics: Metrics::install(),
            openapi: Bytes::from_static(b"{\"openapi\":\"3.1.0\"}"),
            lifecycle: lifecycle.clone(),
        };
        TestClient::new(finish(operational_routes(operational), HttpOptions::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn ready_says_what_is_not() {
        let lifecycle = Lifecycle::new(Duration::ZERO);
        let good = client(vec![Fixed("store", None)], &lifecycle);
        let response = good.get("/health/ready").send().await;
        assert_eq!(
            (response.status.as_u16(), &response.json["data"]["checks"]["store"]),
            (200, &json!("ok"))
        );

        let bad = client(
            vec![Fixed("store", None), Fixed("bus", Some("broker away")), Fixed("sync", Some("hangs"))],
            &lifecycle,
        );
        let response = bad.get("/health/ready").send().await;
        assert_eq!((response.status.as_u16(), response.code()), (503, "SERVICE_UNAVAILABLE"));
        assert_eq!(response.json["message"], "Not ready: bus: broker away; sync: no answer within 2 s");
        assert_eq!(response.json["details"]["checks"]["store"], "ok");
        assert_eq!(bad.get("/health/live").send().await.status, 200);

        lifecycle.shutdown();
        let response = good.get("/health/ready").send().await;
        assert_eq!(
            (response.status.as_u16(), &response.json["message"]),
            (503, &json!("Not ready: shutting down"))
        );
    }

    #[tokio::test]
    async fn metrics_audit_and_the_document_are_served() {
        let client = client(Vec::new(), &Lifecycle::new(Duration::ZERO));
        assert_eq!(client.get("/health/audit").send().await.json["data"]["status"], "off");
        let metrics = client.get("/metrics").send().await;
        assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        assert_eq!(client.get("/openapi.json").send().await.json["openapi"], "3.1.0");
    }
}
