//! What every changing request brings beside its body: who asks, its ids, its `Idempotency-Key`, its `If-Match`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use holdfast_contract::{ErrorCode, canonical};
use holdfast_service::http::idempotency::IDEMPOTENCY_REPLAYED;
use holdfast_service::http::{
    ApiError, Caller, IdempotencyKey, IdempotencyScope, RequestContext, json_response,
};
use holdfast_service::traces::traceparent;

use super::errors;
use crate::usecase::{Answer, Asked, ChangeRefusal, Outcome, Render, UseCases};

/// The head of a changing request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) caller: Caller,
    request_id: String,
    traceparent: Option<Bytes>,
    key: Option<IdempotencyKey>,
    expected: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Head {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self {
            caller: Caller::from_request_parts(parts, state).await?,
            request_id: parts
                .extensions
                .get::<RequestContext>()
                .map(|c| c.id().to_owned())
                .unwrap_or_default(),
            traceparent: traceparent(&parts.headers),
            key: IdempotencyKey::from_headers(&parts.headers)?,
            expected: if_match(&parts.headers)?,
        })
    }
}

impl Head {
    /// The version of `If-Match`, or of the body; both if they agree.
    pub(super) fn expected(&self, in_body: Option<u64>) -> Result<Option<u64>, ApiError> {
        match (self.expected, in_body) {
            (Some(header), Some(body)) if header != body => {
                Err(ApiError::invalid("version", format!("is {body}, but If-Match says {header}")))
            }
            (header, body) => Ok(header.or(body)),
        }
    }

    /// Takes the `Idempotency-Key`, if there is one. `route` is the method and the path with its ids, `raw` the body
    /// (an empty one counts as `{}`).
    ///
    /// # Errors
    /// `IDEMPOTENCY_IN_PROGRESS`; `INVALID_JSON` if `raw` is no JSON.
    pub(super) fn ask(
        self,
        cases: &UseCases,
        route: impl FnOnce() -> String,
        raw: &[u8],
    ) -> Result<Asked, ApiError> {
        let once = match &self.key {
            None => None,
            Some(key) => {
                let raw = if raw.is_empty() { b"{}" } else { raw };
                let fingerprint = canonical::fingerprint(raw).map_err(|e| {
                    ApiError::new(ErrorCode::InvalidJson, "The body is not valid JSON").with_source(e)
                })?;
                let scope = IdempotencyScope::new(self.caller.subject(), &route(), key);
                Some(cases.once(scope, fingerprint)?)
            }
        };
        let Self { caller, request_id, traceparent, .. } = self;
        Ok(Asked { caller, request_id, traceparent, once })
    }
}

/// The version that an `If-Match` names; `*` is any. The entity tag of an order is its version in quotes.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let malformed =
        || ApiError::invalid("If-Match", "must be one entity tag as the service gave it, such as \"3\"");
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?.trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    version.parse().map(Some).map_err(|_| malformed())
}

/// Adds the `ETag` of an order at `version`.
pub(super) fn tag(response: &mut Response, version: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// Writes the answers to a change: a success as the endpoint has it, a refusal as every endpoint has it.
pub(super) struct Answers<F>(pub(super) F);

impl<F: Fn(Outcome<'_>) -> Vec<u8> + Sync> Render for Answers<F> {
    fn done(&self, outcome: Outcome<'_>) -> Vec<u8> {
        (self.0)(outcome)
    }

    fn refused(&self, refusal: &ChangeRefusal, asked: &Asked) -> (u16, Vec<u8>) {
        let error = errors::change_refused(refusal);
        (error.status().as_u16(), error.body(&asked.request_id))
    }
}

/// An answer of a use case, as HTTP.
pub(super) fn answered(answer: Answer) -> Response {
    const REPLAYED: HeaderName = HeaderName::from_static(IDEMPOTENCY_REPLAYED);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = json_response(status, answer.body);
    if answer.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn if_match_is_a_version() {
        for (text, version) in [("\"3\"", Some(3)), ("3", Some(3)), ("*", None), (" \"12\" ", Some(12))] {
            assert_eq!(if_match(&headers("if-match", text)).unwrap(), version, "{text}");
        }
        for bad in ["", "\"\"", "W/\"3\"", "\"3", "x", "-1", "\"1\",\"2\"", "99999999999999999999"] {
            assert!(if_match(&headers("if-match", bad)).is_err(), "{bad}");
        }
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }
}
