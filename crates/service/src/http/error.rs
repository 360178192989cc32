//! Errors as answers: what the client is told and what the log is told are separate.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_contract::ErrorCode;
use serde::Serialize;
use serde_json::Value;

use super::envelope::json_response;
use crate::telemetry::chain;

/// What a handler gives: an answer, or an error that becomes one.
pub type ApiResult<T = Response> = Result<T, ApiError>;

/// A request that was refused or failed. Clients see the code, the message, `fields` and `details`, never the source.
#[derive(Clone, Debug)]
pub struct ApiError {
    // Boxed to keep `Result`s small on the way of success.
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    code: ErrorCode,
    message: Cow<'static, str>,
    fields: BTreeMap<String, String>,
    details: Option<Value>,
    retry_after: Option<u32>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with a text for people. Codes that are retryable by waiting get a `Retry-After` of one second.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let waiting =
            matches!(code, ErrorCode::IdempotencyInProgress | ErrorCode::Unavailable | ErrorCode::Overloaded);
        Self {
            inner: Box::new(Inner {
                code,
                message: message.into(),
                fields: BTreeMap::new(),
                details: None,
                retry_after: waiting.then_some(1),
                source: None,
            }),
        }
    }

    /// `VALIDATION_FAILED` because of one field.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::of_field(ErrorCode::ValidationFailed, field, problem)
    }

    /// `code` because of one field or parameter; the message names it too.
    pub fn of_field(code: ErrorCode, field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(code, format!("{field}: {problem}")).field(field, problem)
    }

    /// `INTERNAL` because of `source`, which is logged and not shown.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "Something went wrong on our side").with_source(source)
    }

    /// `SERVICE_UNAVAILABLE` because of `source`, which is logged and not shown.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Unavailable, "The service cannot do this right now").with_source(source)
    }

    /// Adds what is wrong with a field, named by its path (`items[0].quantity`). The first problem of a field stays.
    pub fn field(mut self, path: impl Into<String>, problem: impl Into<String>) -> Self {
        self.inner.fields.entry(path.into()).or_insert_with(|| problem.into());
        self
    }

    /// Adds facts about the refusal. What cannot be written as JSON is left out.
    pub fn details(mut self, details: impl Serialize) -> Self {
        self.inner.details = serde_json::to_value(details).ok();
        self
    }

    /// Says after how many seconds to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.inner.retry_after = Some(seconds);
        self
    }

    /// Adds the cause, for the log only.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.inner.source = Some(Arc::from(source.into()));
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.inner.code
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The problems by field.
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.inner.fields
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.inner.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body, with `request_id` in it; for answers that are kept (idempotency) as well as for those that are sent.
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            success: bool,
            error: &'a str,
            code: ErrorCode,
            message: &'a str,
            status_code: u16,
            request_id: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            fields: &'a BTreeMap<String, String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after: Option<u32>,
        }
        let Inner { code, message, fields, details, retry_after, .. } = &*self.inner;
        let body = Body {
            success: false,
            error: code.title(),
            code: *code,
            message,
            status_code: code.status(),
            request_id,
            fields,
            details: details.as_ref(),
            retry_after: *retry_after,
        };
        // Strings and JSON values only: this cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Logs a 5xx, once, with its causes. Only the outer layer calls it.
    pub(crate) fn log(&self, request_id: &str, method: &str, path: &str) {
        if !self.status().is_server_error() {
            return;
        }
        let cause = self.inner.source.as_deref().map(|s| chain(s)).unwrap_or_default();
        let (code, message) = (self.inner.code.as_str(), self.message());
        if self.inner.code == ErrorCode::Internal {
            tracing::error!(request_id, method, path, code, cause, "{message}");
        } else {
            tracing::warn!(request_id, method, path, code, cause, "{message}");
        }
    }

    /// The answer, with `request_id` in its body.
    pub fn render(&self, request_id: &str) -> Response {
        let mut response = json_response(self.status(), self.body(request_id));
        if let Some(seconds) = self.inner.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.code.as_str(), self.inner.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source.as_deref().map(|s| s as _)
    }
}

impl IntoResponse for ApiError {
    /// Complete but for the request id: the outer layer, which knows it, renders the body again from the extension.
    fn into_response(self) -> Response {
        let mut response = self.render("");
        response.extensions_mut().insert(self);
        response
    }
}

/// What is said to `method` where there are only others.
pub(super) fn method_not_allowed(method: &Method) -> ApiError {
    let method: String = method.as_str().chars().take(20).collect();
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{method} is not possible here"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::ErrorBody;

    #[test]
    fn the_client_sees_everything_but_the_source() {
        let error = ApiError::new(ErrorCode::InsufficientStock, "Only 3 available")
            .details(json!({"available": 3}))
            .retry_after(2)
            .with_source("secret table name");
        let body = error.body("r-1");
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({
                "success": false, "error": "Insufficient Stock", "code": "INSUFFICIENT_STOCK",
                "message": "Only 3 available", "statusCode": 409, "requestId": "r-1",
                "details": {"available": 3}, "retryAfter": 2,
            })
        );
        serde_json::from_slice::<ErrorBody>(&body).unwrap();
        assert_eq!(chain(&error), "INSUFFICIENT_STOCK: Only 3 available: secret table name");
        assert_eq!(error.render("").headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn the_first_problem_of_a_field_stays() {
        let error = ApiError::invalid("a", "one").field("a", "two").field("b", "three");
        assert_eq!(error.message(), "a: one");
        assert_eq!(serde_json::to_value(error.fields()).unwrap(), json!({"a": "one", "b": "three"}));
    }

    #[test]
    fn every_code_has_a_status_that_renders() {
        for code in ErrorCode::ALL {
            let response = ApiError::new(*code, "x").into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert!(response.extensions().get::<ApiError>().is_some());
        }
    }
}
