//! Who may be told what: the token of a live connection, and the room that it opens.

use std::future::pending;

use holdfast_contract::{ErrorCode, Timestamp};
use holdfast_service::http::{ApiError, Caller, Role};
use serde::Deserialize;

use super::ask::Ask;
use super::hub::Hub;

/// Names of parameters that would hold a token.
const TOKEN_PARAMETERS: [&str; 2] = ["token", "access_token"];

/// What a connection was let in for.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) ask: Ask,
    /// When its token ends; `None` if nobody is asked for one.
    expires: Option<Timestamp>,
}

/// Why it was not: a code and a text for the client.
pub(super) type Refused = (ErrorCode, String);

/// The first frame of a plain WebSocket, where tokens are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct FirstFrame {
    pub(super) auth: Credentials,
}

/// How a client proves who it is; in the `auth` object of Socket.IO too.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    pub(super) token: Option<String>,
}

/// Refuses a token in a URL: it would be in the logs of every proxy on the way, and in the history of the browser.
///
/// # Errors
/// `INVALID_QUERY`.
pub(super) fn refuse_token_in(query: Option<&str>) -> Result<(), ApiError> {
    let mut names =
        query.unwrap_or_default().split('&').map(|part| part.split('=').next().unwrap_or_default());
    if names.any(|name| TOKEN_PARAMETERS.iter().any(|token| name.eq_ignore_ascii_case(token))) {
        let problem =
            "does not belong in a URL: send it in `auth` (Socket.IO) or in the first frame (WebSocket)";
        return Err(ApiError::of_field(ErrorCode::InvalidQuery, "token", problem));
    }
    Ok(())
}

impl Hub {
    /// Lets a connection in, for what its token allows of what it asks for.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`, or `SERVICE_UNAVAILABLE` while tokens cannot be checked.
    pub(super) async fn admit(&self, mut ask: Ask, credentials: Credentials) -> Result<Admission, Refused> {
        let Some(auth) = &self.auth else { return Ok(Admission { ask, expires: None }) };
        let token = credentials.token.unwrap_or_default();
        if token.is_empty() {
            let problem =
                "a token is needed: in `auth` (Socket.IO), or in a first frame {\"auth\":{\"token\":\"…\"}}";
            return Err((ErrorCode::Unauthenticated, problem.to_owned()));
        }
        let checked = auth.check_again(&token).await.map_err(ApiError::from);
        let identity = checked.map_err(|error| (error.code(), error.message().to_owned()))?;
        restrict(&mut ask, &identity.caller)?;
        Ok(Admission { ask, expires: Some(identity.expires) })
    }

    /// Resolves when the token of a connection is over; never for one without.
    pub(super) async fn expired(&self, admission: Option<Timestamp>) {
        match (&self.auth, admission) {
            (Some(auth), Some(expires)) => tokio::time::sleep(auth.remaining(expires)).await,
            _ => pending().await,
        }
    }
}

impl Admission {
    /// The parts.
    pub(super) fn into_parts(self) -> (Ask, Option<Timestamp>) {
        (self.ask, self.expires)
    }
}

/// A customer is told of the own orders, and another program of stock only: as over HTTP.
fn restrict(ask: &mut Ask, caller: &Caller) -> Result<(), Refused> {
    match caller.role() {
        Role::Admin | Role::Operator => Ok(()),
        Role::Service => {
            ask.filter.without_orders();
            Ok(())
        }
        Role::Customer if ask.filter.only_of(caller.subject()) => Ok(()),
        Role::Customer => Err((ErrorCode::Forbidden, "userId: is another user".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_a_query() {
        for query in ["token=x", "seq=1&token=x", "access_token", "TOKEN=", "a&Access_Token=1"] {
            assert!(refuse_token_in(Some(query)).is_err(), "{query}");
        }
        for query in
            [None, Some(""), Some("seq=token"), Some("EIO=4&transport=polling&t=abc"), Some("tokens=1")]
        {
            assert!(refuse_token_in(query).is_ok(), "{query:?}");
        }
    }
}
