//! Requests that come before the service can do anything are answered at once.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use holdfast_contract::ErrorCode;
use tokio::sync::watch;

use super::error::{ApiError, ApiResult};

/// Lets requests through once it is open.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A gate that is open already, or not yet.
    pub fn new(open: bool) -> Self {
        Self(watch::Sender::new(open))
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// `router`, behind this gate: until it opens, every request is answered with 503.
    pub fn guard<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        router.layer(from_fn_with_state(self.0.subscribe(), pass))
    }
}

async fn pass(
    State(open): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    if *open.borrow() {
        return Ok(next.run(request).await);
    }
    Err(ApiError::new(ErrorCode::Unavailable, "The service has not reached its database yet"))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;
    use crate::http::{HttpOptions, finish};
    use crate::test_support::TestClient;

    #[tokio::test]
    async fn a_closed_gate_says_when_to_come_back() {
        let gate = Gate::new(false);
        let router = gate.guard(Router::<()>::new().route("/x", get(async || "inside")));
        let client = TestClient::new(finish(router, HttpOptions::default()));
        let answer = client.get("/x").send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "SERVICE_UNAVAILABLE"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        gate.open();
        assert_eq!(client.get("/x").send().await.text(), "inside");
    }
}
