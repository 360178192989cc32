//! Fetches a key set over HTTP.

use axum::http::header::{ACCEPT, HeaderValue};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use thiserror::Error;

use crate::remote::{AskError, Remote};
use crate::trust::Trust;

/// Not a place to get keys from.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "JWKS_URL: expected an https URL; http only on this machine, for whoever is in between could give keys of their own"
)]
pub struct InvalidUrl;

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It is something else.
    #[error("the answer was {0}")]
    Status(StatusCode),
}

/// Where a key set is.
#[derive(Debug)]
pub(super) struct KeyUrl(Remote);

impl KeyUrl {
    pub(super) fn parse(text: &str, trust: &Trust) -> Result<Self, InvalidUrl> {
        Remote::parse(text, trust).filter(Remote::is_private).map(Self).ok_or(InvalidUrl)
    }

    /// The body of a 200.
    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Full::default());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.0.ask(request).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(FetchError::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in ["https://id.example/keys?x=1", "http://localhost:8080/keys", "http://127.0.0.1/keys"] {
            assert!(KeyUrl::parse(good, &Trust::default()).is_ok(), "{good}");
        }
        for bad in ["http://id.example/keys", "ftp://x/", "https://u:p@x/"] {
            assert_eq!(KeyUrl::parse(bad, &Trust::default()).unwrap_err(), InvalidUrl, "{bad}");
        }
    }
}
