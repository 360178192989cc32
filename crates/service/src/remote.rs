//! Another HTTP server that this process asks: one request, one connection.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{HOST, HeaderValue};
use axum::http::uri::Scheme;
use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

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
#[derive(Clone)]
pub(crate) struct Remote {
    uri: Uri,
    host: String,
    port: u16,
    /// `None` for http.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.uri).finish()
    }
}

impl Remote {
    /// An http or https URL without a user; `None` if it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@'))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, usual) = if uri.scheme() == Some(&Scheme::HTTPS) {
            (Some((connector(), ServerName::try_from(host.clone()).ok()?)), 443)
        } else if uri.scheme() == Some(&Scheme::HTTP) {
            (None, 80)
        } else {
            return None;
        };
        let port = authority.port_u16().unwrap_or(usual);
        Some(Self { uri, host, port, tls })
    }

    /// Whether nobody between here and there can read or change what is said.
    pub(crate) fn is_private(&self) -> bool {
        let near = self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.tls.is_some() || near
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

    async fn connect_and_ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, AskError> {
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(AskError::Connection)?;
        match &self.tls {
            None => self.ask_over(stream, request).await,
            Some((connector, name)) => {
                let connecting = connector.connect(name.clone(), stream);
                self.ask_over(connecting.await.map_err(AskError::Connection)?, request).await
            }
        }
    }

    async fn ask_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, AskError> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(AskError::Broken)?;
        *request.uri_mut() =
            self.uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        if let Ok(host) = HeaderValue::from_str(authority) {
            request.headers_mut().insert(HOST, host);
        }
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
    fn who_is_in_between_is_known_from_the_url() {
        for (url, private) in [
            ("https://id.example:8443/.well-known/jwks.json", true),
            ("http://localhost:4318", true),
            ("http://127.0.0.1/keys", true),
            ("http://[::1]:9/keys", true),
            ("http://collector:4318/v1/traces", false),
        ] {
            assert_eq!(Remote::parse(url).map(|remote| remote.is_private()), Some(private), "{url}");
        }
        for bad in ["ftp://x/", "id.example", "", "https://u:p@x/", "/keys"] {
            assert!(Remote::parse(bad).is_none(), "{bad}");
        }
    }
}
