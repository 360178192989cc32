//! Where a service answers, and how it is asked there.

use std::fmt;
use std::net::SocketAddr;

use holdfast_service::origin::{InvalidOrigin, Origin};
use holdfast_service::trust::Trust;
use hyper::header::HeaderValue;

use super::CallerArgs;

/// Where a service answers, and how it is asked there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) origin: Origin,
    /// Whether it is who it should be.
    pub(crate) trust: Trust,
    /// Sent with every request, if there is one.
    pub(crate) authorization: Option<HeaderValue>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl Endpoint {
    /// Asked without a token.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, trust: Trust::default(), authorization: None }
    }

    /// What listens at `addr` of this machine, without TLS.
    pub(crate) fn here(addr: SocketAddr) -> Self {
        Self::new(Origin::here(addr, false))
    }

    /// The same, asked as `caller`.
    pub(crate) fn by(&self, caller: &CallerArgs) -> Self {
        Self { authorization: caller.token.authorization(), trust: caller.trust(), ..self.clone() }
    }
}

/// Reads the base URL of a service.
///
/// # Errors
/// If it is not http or https, or has a path.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, InvalidOrigin> {
    text.parse().map(Endpoint::new)
}
