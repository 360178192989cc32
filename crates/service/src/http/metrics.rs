//! Counts and times requests. Handles are kept, so that a request costs a lookup and no allocation.

use std::time::Duration;

use axum::http::Method;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// The path label of requests that matched no route: their own paths would be labels without end.
const UNMATCHED: &str = "(unmatched)";

/// The method label of methods that nobody serves, for the same reason.
const OTHER: &str = "OTHER";

#[derive(Debug)]
pub(super) struct RequestMetrics {
    service: &'static str,
    by_path: RwLock<FxHashMap<Box<str>, Vec<Series>>>,
}

struct Series {
    method: &'static str,
    status: u16,
    total: Counter,
    seconds: Histogram,
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.status)
    }
}

impl RequestMetrics {
    /// `service` is a label: the services of one process and its web app, which passes calls on to them, are told apart.
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, by_path: RwLock::default() }
    }

    pub(super) fn record(&self, method: &'static str, path: Option<&str>, status: u16, took: Duration) {
        let path = path.unwrap_or(UNMATCHED);
        let find = |all: &[Series]| {
            let series = all.iter().find(|s| s.status == status && s.method == method)?;
            series.total.increment(1);
            series.seconds.record(took.as_secs_f64());
            Some(())
        };
        if self.by_path.read().get(path).and_then(|all| find(all)).is_some() {
            return;
        }
        let mut by_path = self.by_path.write();
        let all = by_path.entry(path.into()).or_default();
        if find(all).is_none() {
            let labels = [
                ("service", self.service.to_owned()),
                ("method", method.to_owned()),
                ("path", path.to_owned()),
                ("status", status.to_string()),
            ];
            all.push(Series {
                method,
                status,
                total: metrics::counter!("http_requests_total", &labels),
                seconds: metrics::histogram!("http_request_duration_seconds", &labels),
            });
            let _ = find(all);
        }
    }
}

/// The method as a label.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}
