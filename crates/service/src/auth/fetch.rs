//! Fetches a key set over HTTP.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, HOST, HeaderValue};
use axum::http::uri::Scheme;
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest key set.
const LARGEST: usize = 256 << 10;

/// Not a place to get keys from.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "JWKS_URL: expected an https URL; http only on this machine, for whoever is in between could give keys of their own"
)]
pub struct InvalidUrl;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum FetchError {
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
    /// It is something else. Redirects are not followed: they would lead to places that nobody configured.
    #[error("the answer was {0}")]
    Status(StatusCode),
}

/// Where a key set is.
pub(super) struct KeyUrl {
    uri: Uri,
    host: String,
    port: u16,
    /// `None` for http.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyUrl").field(&self.uri).finish()
    }
}

impl KeyUrl {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or(InvalidUrl)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let near = uri.scheme() == Some(&Scheme::HTTP) && is_this_machine(&host);
        if !secure && !near {
            return Err(InvalidUrl);
        }
        let tls = match secure {
            false => None,
            true => Some((connector(), ServerName::try_from(host.clone()).map_err(|_| InvalidUrl)?)),
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { uri, host, port, tls })
    }

    /// The body of a 200.
    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(PATIENCE, self.connect_and_ask()).await.map_err(|_| FetchError::Slow)?
    }

    async fn connect_and_ask(&self) -> Result<Bytes, FetchError> {
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(FetchError::Connection)?;
        match &self.tls {
            None => self.ask(stream).await,
            Some((connector, name)) => {
                let connecting = connector.connect(name.clone(), stream);
                self.ask(connecting.await.map_err(FetchError::Connection)?).await
            }
        }
    }

    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> Result<Bytes, FetchError> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Broken)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() =
            self.uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        if let Ok(host) = HeaderValue::from_str(authority) {
            request.headers_mut().insert(HOST, host);
        }
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let exchange = async {
            let response = sender.send_request(request).await.map_err(FetchError::Broken)?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            Ok(body.map_err(FetchError::Body)?.to_bytes())
        };
        tokio::pin!(exchange);
        tokio::select! {
            // First: an answer may be complete when the connection is closed.
            biased;
            answer = &mut exchange => answer,
            ended = connection => {
                ended.map_err(FetchError::Broken)?;
                exchange.await
            }
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Trusts what Mozilla trusts.
fn connector() -> TlsConnector {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider has the versions that are compiled in.
    let config = versions.expect("TLS versions of ring").with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in [
            "https://id.example/keys?x=1",
            "https://id.example:8443/.well-known/jwks.json",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:9/keys",
        ] {
            assert!(KeyUrl::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example/keys", "ftp://x/", "id.example", "", "https://u:p@x/", "/keys"] {
            assert_eq!(KeyUrl::parse(bad).unwrap_err(), InvalidUrl, "{bad}");
        }
    }
}
