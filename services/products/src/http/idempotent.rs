//! `Idempotency-Key`: the answer is stored with the effect, and given again.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use holdfast_contract::canonical::fingerprint;
use holdfast_service::http::idempotency::IDEMPOTENCY_REPLAYED;
use holdfast_service::http::{
    ApiError, ApiResult, Caller, IdempotencyKey, IdempotencyScope, RequestContext, envelope, json_response,
};
use serde::Serialize;

use super::errors;
use super::model::ProductBody;
use crate::decider::{Answered, Idempotent};
use crate::domain::ProductView;
use crate::store::StoredAnswer;

/// What a request without a body counts as.
pub(super) const NO_BODY: &[u8] = b"{}";

/// What makes a request the same one: who called what with which key and body.
pub(super) struct Request<'a> {
    pub caller: &'a Caller,
    /// Method and path, with the id filled in.
    pub route: String,
    pub key: &'a IdempotencyKey,
    pub body: &'a [u8],
    pub context: &'a RequestContext,
    /// The field that a too large amount came from.
    pub amount: &'static str,
}

/// Turns what a call has made into its answer.
pub(super) trait Success<T>: Fn(&T) -> StoredAnswer + Send + Sync + 'static {}

impl<T, F: Fn(&T) -> StoredAnswer + Send + Sync + 'static> Success<T> for F {}

impl Request<'_> {
    /// What the decider stores with the effect.
    ///
    /// # Errors
    /// `INVALID_JSON`; cannot happen for a body that was read.
    pub(super) fn stored_as<T>(self, success: impl Success<T>) -> ApiResult<Idempotent<T>> {
        let fingerprint = fingerprint(self.body).map_err(|e| ApiError::internal(Box::new(e)))?;
        let scope = IdempotencyScope::new(self.caller.subject(), &self.route, self.key);
        let (request_id, amount) = (self.context.id().to_owned(), self.amount);
        let render = Box::new(move |result: &Result<T, _>| match result {
            Ok(made) => success(made),
            Err(refusal) => {
                let error = errors::refusal(refusal, amount);
                StoredAnswer { status: error.status().as_u16(), body: error.body(&request_id).into() }
            }
        });
        Ok(Idempotent { scope, fingerprint, render })
    }
}

/// A successful answer with the product in it.
pub(super) fn product_answer(
    status: StatusCode,
    message: impl Into<Cow<'static, str>>,
    view: &ProductView,
) -> StoredAnswer {
    // Plain structs with text keys: this cannot fail.
    let product = serde_json::to_vec(&ProductBody::from(view)).unwrap_or_default();
    let body = envelope::raw_body(&message.into(), &[("product", &product)], &[]);
    StoredAnswer { status: status.as_u16(), body: body.into() }
}

/// A successful answer with `data`.
pub(super) fn data_answer(message: &str, data: &impl Serialize) -> StoredAnswer {
    // As above.
    let body = envelope::body(message, data).unwrap_or_default();
    StoredAnswer { status: StatusCode::OK.as_u16(), body: body.into() }
}

/// The answer to a command; `success` makes it where none was stored.
pub(super) fn respond<T>(answered: Answered<T>, success: impl Fn(&T) -> StoredAnswer) -> Response {
    match answered {
        Answered::Fresh { stored: Some(stored), .. } | Answered::Refused(stored) => send(stored),
        Answered::Fresh { made, stored: None } => send(success(&made)),
        Answered::Replayed(stored) => {
            let mut response = send(stored);
            let name = HeaderName::from_static(IDEMPOTENCY_REPLAYED);
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
            response
        }
    }
}

fn send(stored: StoredAnswer) -> Response {
    json_response(StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK), stored.body)
}
