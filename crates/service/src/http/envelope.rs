//! What every answer looks like, good or bad.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use holdfast_contract::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult};

/// A successful answer, for the API document; answers are written with [`ok`] and [`ok_raw`].
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessBody<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// What was done, for people.
    #[schema(example = "Order created successfully")]
    pub message: String,
    /// The result.
    pub data: T,
    /// About the result: cursors and totals of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub meta: Option<serde_json::Value>,
}

/// An error answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Always `false`.
    #[schema(example = false)]
    pub success: bool,
    /// A short title for people.
    #[schema(example = "Validation Failed")]
    pub error: String,
    /// What went wrong, for programs: one of a closed list.
    #[schema(example = "VALIDATION_FAILED")]
    pub code: String,
    /// What went wrong, for people.
    #[schema(example = "items[0].quantity: must be at least 1")]
    pub message: String,
    /// The HTTP status.
    #[schema(example = 400, minimum = 400, maximum = 599)]
    pub status_code: u16,
    /// Names this request in the service's log; also in the `x-request-id` header.
    #[schema(example = "5f2c1a-00001d0e")]
    pub request_id: String,
    /// What is wrong with which field or parameter (400).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, String>>,
    /// Facts that belong to the refusal, such as what is available (409, 422, 503).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<serde_json::Value>,
    /// Seconds to wait before the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// `data` in the success envelope, with status 200.
///
/// # Errors
/// `INTERNAL` if `data` cannot be written as JSON, which is a defect.
pub fn ok(message: &str, data: &impl Serialize) -> ApiResult {
    render(StatusCode::OK, message, data, None::<&()>)
}

/// As [`ok`], with status 201.
///
/// # Errors
/// As [`ok`].
pub fn created(message: &str, data: &impl Serialize) -> ApiResult {
    render(StatusCode::CREATED, message, data, None::<&()>)
}

/// As [`ok`], with `meta` beside `data`.
///
/// # Errors
/// As [`ok`].
pub fn ok_with_meta(message: &str, data: &impl Serialize, meta: &impl Serialize) -> ApiResult {
    render(StatusCode::OK, message, data, Some(meta))
}

fn render(
    status: StatusCode,
    message: &str,
    data: &impl Serialize,
    meta: Option<&impl Serialize>,
) -> ApiResult {
    let body = write(message, data, meta)
        .map_err(|e| ApiError::new(ErrorCode::Internal, "The answer could not be written").with_source(e))?;
    Ok(json_response(status, body))
}

/// The body of [`ok`] alone, for answers that are kept (idempotency).
///
/// # Errors
/// If `data` cannot be written as JSON.
pub fn body(message: &str, data: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    write(message, data, None::<&()>)
}

fn write(message: &str, data: &impl Serialize, meta: Option<&impl Serialize>) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Envelope<'a, D, M> {
        success: bool,
        message: &'a str,
        data: &'a D,
        #[serde(skip_serializing_if = "Option::is_none")]
        meta: Option<&'a M>,
    }
    serde_json::to_vec(&Envelope { success: true, message, data, meta })
}

/// The success envelope around values that are JSON already: nothing is parsed or written again.
///
/// `data` are the fields of `data`; keys are written as they are and values must be valid JSON.
pub fn ok_raw(status: StatusCode, message: &str, data: &[(&str, &[u8])]) -> Response {
    json_response(status, raw_body(message, data, &[]))
}

/// As [`ok_raw`], with the fields of `meta` beside `data`.
pub fn ok_raw_meta(
    status: StatusCode,
    message: &str,
    data: &[(&str, &[u8])],
    meta: &[(&str, &[u8])],
) -> Response {
    json_response(status, raw_body(message, data, meta))
}

/// The body of [`ok_raw_meta`] alone, for answers that are kept (idempotency).
pub fn raw_body(message: &str, data: &[(&str, &[u8])], meta: &[(&str, &[u8])]) -> Vec<u8> {
    let parts = data.iter().chain(meta).map(|(key, value)| key.len() + value.len() + 4).sum::<usize>();
    let mut body = Vec::with_capacity(64 + message.len() + parts);
    body.extend_from_slice(b"{\"success\":true,\"message\":");
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(&mut body, message);
    body.extend_from_slice(b",\"data\":");
    write_object(&mut body, data);
    if !meta.is_empty() {
        body.extend_from_slice(b",\"meta\":");
        write_object(&mut body, meta);
    }
    body.push(b'}');
    body
}

fn write_object(body: &mut Vec<u8>, fields: &[(&str, &[u8])]) {
    body.push(b'{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.push(b'"');
        body.extend_from_slice(key.as_bytes());
        body.extend_from_slice(b"\":");
        body.extend_from_slice(value);
    }
    body.push(b'}');
}

/// A JSON array of values that are JSON already, for [`ok_raw`].
pub fn raw_list<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut list = vec![b'['];
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(item.as_ref());
    }
    list.push(b']');
    list
}

/// An answer whose body is JSON already.
pub fn json_response(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn raw_parts_are_spliced_unchanged() {
        let order: &[u8] = br#"{"totalAmount":59.98}"#;
        let list = raw_list([order, order]);
        let cases: [(Vec<u8>, &str); 3] = [
            (
                raw_body("Order \"created\"", &[("order", order)], &[]),
                r#"{"success":true,"message":"Order \"created\"","data":{"order":{"totalAmount":59.98}}}"#,
            ),
            (raw_body("", &[], &[]), r#"{"success":true,"message":"","data":{}}"#),
            (
                raw_body("m", &[("orders", &list), ("count", b"2")], &[("nextCursor", b"null")]),
                r#"{"success":true,"message":"m","data":{"orders":[{"totalAmount":59.98},{"totalAmount":59.98}],"count":2},"meta":{"nextCursor":null}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
        let response = ok_raw(StatusCode::CREATED, "m", &[]);
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[CONTENT_LENGTH], "40");
        assert_eq!(raw_list(Vec::<Vec<u8>>::new()), b"[]");
    }

    #[tokio::test]
    async fn values_are_written_in_the_envelope() {
        let response = ok_with_meta("Found", &json!({"a": 1}), &json!({"total": 3})).unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            json!({"success": true, "message": "Found", "data": {"a": 1}, "meta": {"total": 3}})
        );
    }
}
