//! Another HTTP server that this process asks: one request, one connection.

use std::time::Duration;

use axum::http::header::HOST;
use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;

use crate::origin::Origin;
use crate::trust::Trust;

/// How long an exchange may take in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer.
const LARGEST: usize = 256 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// It took too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// No connection, or none that can be trusted.
    #[error("no connection")]
    Connection(#[source] std::io::Error),
    /// The answer broke off.
    #[error("no whole answer")]
    Broken(#[source] hyper::Error),
    /// The body is too large, or broke off.
    #[error("no whole body of at most {LARGEST} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A server, and a path on it.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    origin: Origin,
    path: Uri,
    trust: Trust,
}

impl Remote {
    /// An http or https URL without a user; `None` if it is something else.
    pub(crate) fn parse(text: &str, trust: &Trust) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let path = uri.path_and_query()?.as_str().parse().ok()?;
        Some(Self { origin: Origin::of(&uri)?, path, trust: trust.clone() })
    }

    /// Whether nobody between here and there can read or change what is said.
    pub(crate) fn is_private(&self) -> bool {
        self.origin.is_private()
    }

    /// Asks at the path of the URL; whatever the answer's status is, it is an answer. Redirects are not followed: they
    /// would lead to places that nobody configured.
    ///
    /// # Errors
    /// See [`AskError`].
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, AskError> {
        let exchange = self.connect_and_ask(request);
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| AskError::Slow)?
    }

    async fn connect_and_ask(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, AskError> {
        let stream = self.origin.connect(&self.trust).await.map_err(AskError::Connection)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(AskError::Broken)?;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, self.origin.authority());
        let exchange = async {
            let response = sender.send_request(request).await.map_err(AskError::Broken)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(AskError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(exchange);
        tokio::select! {
            // First: an answer may be complete when the connection is closed.
            biased;
            answer = &mut exchange => answer,
            ended = connection => {
                ended.map_err(AskError::Broken)?;
                exchange.await
            }
        }
    }
}
