//! Sends spans to a collector.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::remote::Remote;
use crate::telemetry::chain;

/// Says once that the collector is away, and once that it is back: it is asked every second.
#[derive(Debug)]
pub(super) struct Collector {
    remote: Remote,
    /// The exporter has a thread of its own, which is none of this runtime's.
    runtime: Handle,
    away: AtomicBool,
}

impl Collector {
    /// Call it in a runtime.
    pub(super) fn at(remote: Remote) -> Self {
        Self { remote, runtime: Handle::current(), away: AtomicBool::new(false) }
    }

    fn say(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let why = match outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the answer was {}", answer.status())),
            Err(error) => Some(chain(&**error)),
        };
        match why {
            Some(why) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!("traces are lost while their collector does not take them: {why}");
                }
            }
            None => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("The collector takes traces again");
                }
            }
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let remote = self.remote.clone();
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, Full::new(body));
        // Waited for right here, in a thread that no runtime drives.
        let asked = self.runtime.spawn(async move { remote.ask(request).await });
        let outcome = match asked.await {
            Ok(answer) => answer.map_err(HttpError::from),
            Err(ended) => Err(ended.into()),
        };
        self.say(&outcome);
        outcome
    }
}
