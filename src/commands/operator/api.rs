//! Calls of a running service.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::ServiceName;
use crate::client::{Answer, Client, ClientError, Endpoint, request};

/// Longer than a service takes for a request at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// Why a call has no result.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// Nobody answers.
    #[error(
        "the {service} service does not answer at {endpoint} ({why}): start it (`holdfast` runs both), or set {variable} \
         or --{service}-url to where it is"
    )]
    Away {
        service: &'static str,
        endpoint: String,
        variable: &'static str,
        /// The cause in its own words: with TLS it may be somebody else who is there.
        why: String,
    },
    /// It said no.
    #[error("{message} ({code})")]
    Refused { code: String, message: String, details: Value },
    /// Something answers, but not as a service of Holdfast does.
    #[error(
        "what answers at {endpoint} is not the {service} service of this version (HTTP {status}); check {variable}"
    )]
    Stranger { service: &'static str, endpoint: String, variable: &'static str, status: StatusCode },
}

impl CallError {
    /// The code of a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Away { .. } | Self::Stranger { .. } => None,
        }
    }

    /// Whether nobody answered: another service may, or the same one later.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    endpoint: Endpoint,
    client: Option<Client>,
}

impl Service {
    /// Connects when it is asked for something.
    pub(crate) fn new(name: ServiceName, endpoint: Endpoint) -> Self {
        Self { name, endpoint, client: None }
    }

    /// Asks for `path`; gives the whole envelope.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, CallError> {
        Ok(self.call(Method::GET, path, &[], Bytes::new()).await?.0)
    }

    /// As [`Service::get`], read as a `T`: for parts that must be shown byte by byte as they came.
    pub(crate) async fn get_as<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CallError> {
        let (_, body) = self.call(Method::GET, path, &[], Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|_| self.stranger(StatusCode::OK))
    }

    /// Sends `body` to `path`; gives the whole envelope.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.send(Method::POST, path, &[], body.to_string().into()).await
    }

    /// Sends `body` to `path` with these headers too; gives the whole envelope.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Value, CallError> {
        Ok(self.call(method, path, headers, body).await?.0)
    }

    /// Closes the connection: the service would, while a person thinks.
    pub(crate) fn hang_up(&mut self) {
        self.client = None;
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<(Value, Bytes), CallError> {
        let answer = match tokio::time::timeout(PATIENCE, self.exchange(method, path, headers, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.away(deepest(&error))),
            Err(_) => return Err(self.away(format!("not within {} s", PATIENCE.as_secs()))),
        };
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (&said["success"], said["code"].as_str()) {
            (Value::Bool(true), _) => Ok((said, answer.body)),
            // An older version, or the other service.
            (Value::Bool(false), Some("ROUTE_NOT_FOUND")) => Err(self.stranger(answer.status)),
            (Value::Bool(false), Some(code)) => Err(CallError::Refused {
                code: code.to_owned(),
                message: said["message"].as_str().unwrap_or_default().to_owned(),
                details: said["details"].clone(),
            }),
            _ => Err(self.stranger(answer.status)),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = request(method, path.parse().unwrap_or_default(), body);
        request.headers_mut().extend(headers.iter().cloned());
        // A connection that an error or a time limit has cut short is not used again.
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.endpoint).await?,
        };
        let answer = client.send(request).await?;
        self.client = Some(client);
        Ok(answer)
    }

    fn away(&self, why: String) -> CallError {
        CallError::Away {
            service: self.name.as_str(),
            endpoint: self.endpoint.to_string(),
            variable: self.name.variable(),
            why,
        }
    }

    fn stranger(&self, status: StatusCode) -> CallError {
        CallError::Stranger {
            service: self.name.as_str(),
            endpoint: self.endpoint.to_string(),
            variable: self.name.variable(),
            status,
        }
    }
}

/// What all the others follow from.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Writes a text for a query string.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_for_a_query() {
        assert_eq!(encode("ORD-1.x_y~"), "ORD-1.x_y~");
        assert_eq!(encode("a b&c=é/"), "a%20b%26c%3D%C3%A9%2F");
    }
}
