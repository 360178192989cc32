//! Where a service answers.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;

use super::TokenArgs;

/// Where a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) address: String,
    pub(crate) host: HeaderValue,
    /// Sent with every request, if there is one.
    pub(crate) authorization: Option<HeaderValue>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

impl Endpoint {
    /// Takes `host:port`.
    ///
    /// # Errors
    /// If it cannot stand in a `Host` header.
    pub(crate) fn new(address: &str) -> Result<Self, String> {
        let host = HeaderValue::from_str(address).map_err(|_| format!("{address:?} is not host:port"))?;
        Ok(Self { address: address.to_owned(), host, authorization: None })
    }

    /// The same, asked with a token.
    pub(crate) fn with(&self, token: &TokenArgs) -> Self {
        Self { authorization: token.authorization(), ..self.clone() }
    }
}

/// Reads the base URL of a service.
///
/// # Errors
/// If it is not plain `http`, or has a path.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    const EXPECTED: &str = "expected a URL such as http://127.0.0.1:3004, without a path";
    let uri: Uri = text.parse().map_err(|_| EXPECTED.to_owned())?;
    let authority = uri.authority().ok_or(EXPECTED)?;
    if uri.scheme_str() == Some("https") {
        return Err("TLS is not supported: use the address behind it".to_owned());
    }
    if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(EXPECTED.to_owned());
    }
    Endpoint::new(&format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
}
