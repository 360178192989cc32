//! Requests in their traces. Behind the table and the limits of callers: whoever is refused there makes no work here.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::layers::RequestContext;
use super::metrics::method_label;
use crate::traces::{Span, Traces};

/// `router` with a span for each request that is sampled. Without traces there is nothing in between.
pub(super) fn trace(router: Router, service: &'static str, traces: &Traces) -> Router {
    if !traces.is_on() {
        return router;
    }
    router.layer(from_fn_with_state((service, traces.clone()), follow))
}

async fn follow(
    State((service, traces)): State<(&'static str, Traces)>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    // What lasts is no request, and who only looks whether all is well is not worth a trace.
    let Some(route) = route.filter(|route| route.as_str().starts_with("/api/")) else {
        return next.run(request).await;
    };
    let method = method_label(request.method());
    let name = || format!("{method} {}", route.as_str());
    let Some(mut span) = traces.request(request.headers_mut(), name) else { return next.run(request).await };
    span.note("http.request.method", method);
    span.note("http.route", route.as_str().to_owned());
    span.note("holdfast.service", service);
    if let Some(context) = request.extensions().get::<RequestContext>() {
        span.note("holdfast.request_id", context.id().to_owned());
    }
    let handled = Handled(Some(span));
    let response = next.run(request).await;
    handled.answered(response.status());
    response
}

/// A request that is being handled.
struct Handled(Option<Span>);

impl Handled {
    fn answered(mut self, status: StatusCode) {
        if let Some(mut span) = self.0.take() {
            span.note("http.response.status_code", i64::from(status.as_u16()));
            if status.is_server_error() {
                span.failed("");
            }
        }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.failed("ended without an answer: the client went away, it took too long, or it panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::Method;
    use axum::routing::get;
    use opentelemetry::trace::Status;

    use crate::auth::Rule;
    use crate::auth::test_support::{access, token};
    use crate::clock::ManualClock;
    use crate::http::{HttpOptions, Role, finish};
    use crate::test_support::TestClient;
    use crate::traces::tests::kept;

    use super::*;

    const RULES: &[Rule] = &[
        Rule::new("GET", "/api/fine", &Role::ALL),
        Rule::new("GET", "/api/panics", &Role::ALL),
        Rule::new("GET", "/aside", &Role::ALL),
    ];
    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[tokio::test]
    async fn only_who_is_let_in_is_traced() {
        let (traces, exporter) = kept(1.0);
        let clock = ManualClock::default();
        let router = Router::new()
            .route("/api/fine", get(async || "fine"))
            .route("/api/panics", get(async || -> &'static str { panic!("as planned") }))
            .route("/aside", get(async || "aside"));
        let access = access(Arc::new(clock.clone()), &[RULES]);
        let client =
            TestClient::new(finish(router, HttpOptions { access, traces, ..HttpOptions::default() }));
        let ask = async |path: &str, token: &str| {
            let request = client.request(Method::GET, path).header("traceparent", SAMPLED);
            request.header("authorization", &format!("Bearer {token}")).send().await.status.as_u16()
        };
        let good = token(&clock, "ada", Role::Customer);
        for (path, token, status) in [
            ("/api/fine", "nonsense", 401),
            ("/api/fine", &*good, 200),
            ("/api/panics", &good, 500),
            ("/aside", &good, 200),
            ("/api/nothing", &good, 404),
        ] {
            assert_eq!(ask(path, token).await, status, "{path}");
        }
        let spans = exporter.get_finished_spans().unwrap();
        let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["GET /api/fine", "GET /api/panics"]);
        assert_eq!(spans[0].status, Status::Unset);
        assert!(
            matches!(&spans[1].status, Status::Error { description } if description.contains("panicked"))
        );
    }
}
