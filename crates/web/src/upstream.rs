//! A service that the app calls: in this process, or elsewhere.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HOST, HeaderName, ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use axum::http::{Extensions, HeaderMap, HeaderValue, Request, Uri};
use axum::response::{IntoResponse, Response};
use holdfast_contract::ErrorCode;
use holdfast_service::Lifecycle;
use holdfast_service::http::{ApiError, ApiResult, Peer};
use holdfast_service::origin::Origin;
use holdfast_service::telemetry::chain;
use holdfast_service::trust::Trust;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tower::ServiceExt as _;

/// How long a service elsewhere may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// A service that the app calls.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// In this process: its finished router is called, without a socket between. Live connections work.
    Here(Router),
    /// Elsewhere: asked over HTTP, one connection a request. Connections that change their protocol do not work.
    There(Origin, Trust),
}

impl Upstream {
    /// Answers `request`, whose path is the service's own.
    ///
    /// The web server has judged the browser's `Host` and `Origin` already. Both speak of the web server, so the
    /// service is not shown them.
    pub(crate) async fn call(&self, mut request: Request<Body>, lifecycle: &Lifecycle) -> ApiResult {
        request.headers_mut().remove(ORIGIN);
        match self {
            Self::Here(router) => {
                request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
                // What the outer router noted of the request is not about the inner one; only the connection is.
                let noted = std::mem::replace(request.extensions_mut(), Extensions::new());
                if let Some(upgrade) = noted.get::<OnUpgrade>() {
                    request.extensions_mut().insert(upgrade.clone());
                }
                if let Some(peer) = noted.get::<Peer>() {
                    request.extensions_mut().insert(peer.clone());
                }
                match router.clone().oneshot(request).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                }
            }
            Self::There(origin, trust) => forward(origin, trust, request, lifecycle).await,
        }
    }
}

async fn forward(
    origin: &Origin,
    trust: &Trust,
    mut request: Request<Body>,
    lifecycle: &Lifecycle,
) -> ApiResult {
    let away = |source: &dyn std::error::Error| {
        tracing::debug!("{origin} does not answer: {}", chain(source));
        let message =
            format!("The service at {origin} does not answer; is it running, and is PRODUCTS_URL right?");
        ApiError::new(ErrorCode::Unavailable, message)
    };
    let connecting = tokio::time::timeout(CONNECT_TIME, origin.connect(trust));
    let stream = connecting.await.map_err(|e| away(&e))?.map_err(|e| away(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| away(&e))?;
    lifecycle.spawn("web upstream", async move {
        // How it ends, the request is told.
        let _ = connection.await;
    });
    strip_hop_by_hop(request.headers_mut());
    request.headers_mut().insert(HOST, origin.authority());
    let mut response = sender.send_request(request).await.map_err(|e| away(&e))?.into_response();
    strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

/// Headers that are about one connection, not about the message (RFC 9110, 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let fixed = [CONNECTION, UPGRADE, TE, TRAILER, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];
    for name in named.into_iter().chain(fixed) {
        headers.remove(name);
    }
}

/// `prefix` taken off the path of `uri`; the query stays.
pub(crate) fn without_prefix(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    if rest.starts_with('/') { rest.parse().ok() } else { None }
}

/// An answer of an upstream is shown as it is, but is no page: a browser that opens it runs nothing of it.
pub(crate) fn contain(response: &mut Response) {
    response.headers_mut().insert(
        axum::http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_off_and_the_query_stays() {
        let of = |uri: &'static str| {
            without_prefix(&Uri::from_static(uri), "/services/orders").map(|uri| uri.to_string())
        };
        assert_eq!(of("/services/orders/api/v1/orders?a=%20b").as_deref(), Some("/api/v1/orders?a=%20b"));
        assert_eq!(of("/services/orders"), None);
        assert_eq!(of("/services/ordersx/y"), None);
    }

    #[test]
    fn headers_of_one_connection_end_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "x-one, close"), ("x-one", "1"), ("keep-alive", "5"), ("x-two", "2")]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-two"]);
    }
}
