//! JSON bodies, read strictly: what is not understood is refused, with the path of the field.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use holdfast_contract::ErrorCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::objects_only::ObjectsOnly;
use super::{body, duplicates, messages};

/// A JSON body and its raw bytes (for the fingerprint of an idempotent request).
///
/// Refuses with `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `REQUEST_TIMEOUT`, `INVALID_JSON` (not UTF-8, not one
/// JSON document, a field named twice) or `VALIDATION_FAILED` (missing, unknown or mistyped fields). `T` should
/// `deny_unknown_fields`, all the way down; free-form parts are [`super::JsonObject`].
#[derive(Clone, Debug)]
pub struct StrictJson<T> {
    /// What the body means.
    pub value: T,
    /// The body.
    pub raw: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let raw = body::read(request).await?;
        Ok(Self { value: parse(&raw)?, raw })
    }
}

/// A JSON body that may be left out: an empty one is `None`, whatever its content type. Otherwise as [`StrictJson`].
#[derive(Clone, Debug)]
pub struct MaybeJson<T> {
    /// What the body means, if there is one.
    pub value: Option<T>,
    /// The body; empty if there is none.
    pub raw: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for MaybeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let typed = require_json(request.headers());
        let raw = body::read(request).await?;
        if raw.is_empty() {
            return Ok(Self { value: None, raw });
        }
        typed?;
        Ok(Self { value: Some(parse(&raw)?), raw })
    }
}

/// A form or a plain text must not pass for JSON: browsers send those across origins without asking first.
fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let json = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    });
    if json {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::UnsupportedMediaType, "Send the body as content-type: application/json"))
    }
}

/// Reads one JSON document.
///
/// # Errors
/// `INVALID_JSON` or `VALIDATION_FAILED`, as [`StrictJson`] says.
pub fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(raw)
        .map_err(|e| invalid(format!("The body is not UTF-8 (byte {})", e.valid_up_to())))?;
    let mut document = serde_json::Deserializer::from_str(text);
    T::deserialize(ObjectsOnly(&mut document))
        .and_then(|value| document.end().map(|()| value))
        .map_err(|first| explain::<T>(text, &first))
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidJson, message)
}

/// Reads the document again, slowly, to say what is wrong. That it is no JSON at all goes before what it means.
#[cold]
fn explain<T: DeserializeOwned>(text: &str, first: &serde_json::Error) -> ApiError {
    if text.trim_ascii().is_empty() {
        return invalid("The body is empty".to_owned());
    }
    if let Err(error) = duplicates::check(text) {
        return invalid(format!("The body is not valid JSON: {}", messages::clip(&error.to_string())));
    }
    let mut document = serde_json::Deserializer::from_str(text);
    let (path, problem) = match serde_path_to_error::deserialize::<_, T>(ObjectsOnly(&mut document)) {
        Err(error) => (error.path().to_string(), error.into_inner().to_string()),
        // Refused the first time but not the second: say what the first time said.
        Ok(_) => (".".to_owned(), first.to_string()),
    };
    let complaint = messages::complaint(&path, &problem, "body");
    ApiError::invalid(complaint.field, complaint.problem)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::{HttpOptions, JsonObject, finish, ok};
    use crate::test_support::TestClient;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Order {
        user_id: String,
        items: Vec<Item>,
        metadata: Option<JsonObject>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        quantity: u32,
    }

    async fn create(
        StrictJson { value, raw }: StrictJson<Order>,
    ) -> Result<axum::response::Response, ApiError> {
        let units: u32 = value.items.iter().map(|i| i.quantity).sum();
        ok(
            "Read",
            &json!({"units": units, "user": value.user_id, "bytes": raw.len(), "meta": value.metadata}),
        )
    }

    async fn cancel(body: MaybeJson<Item>) -> Result<axum::response::Response, ApiError> {
        ok("Read", &json!({"quantity": body.value.map(|i| i.quantity)}))
    }

    fn client() -> TestClient {
        let router = Router::new().route("/", post(create)).route("/maybe", post(cancel));
        TestClient::new(finish(router, HttpOptions { max_body_bytes: 1000, ..HttpOptions::default() }))
    }

    #[tokio::test]
    async fn a_good_body_is_read() {
        let body = r#"{"userId":"u","items":[{"quantity":2},{"quantity":3}],"metadata":{"b":1,"a":[1.0]}}"#;
        let response = client()
            .post("/")
            .header("content-type", "Application/JSON; charset=utf-8")
            .raw(body)
            .send()
            .await;
        assert_eq!(response.status, 200);
        assert_eq!(
            response.json["data"],
            json!({"units": 5, "user": "u", "bytes": body.len(), "meta": {"a": [1.0], "b": 1}})
        );
    }

    #[tokio::test]
    async fn what_is_no_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
        let cases: &[&[u8]] = &[
            b"",
            b"  ",
            b"{",
            b"\xEF\xBB\xBF{}",
            b"{\"userId\":\"\xFF\",\"items\":[]}",
            br#"{"userId":"u","items":[]} x"#,
            br#"{"userId":"u","items":[{"quantity":NaN}]}"#,
            br#"{"userId":"u","items":[{"quantity":1e400}]}"#,
            br#"{"userId":"u","userId":"v","items":[]}"#,
            br#"{"userId":"u","items":[{"quantity":1,"quantity":2}]}"#,
            br#"{"userId":7,"items":[],"metadata":{"a":{"x":1,"x":2}}}"#,
            br#"{"userId":"u","items":[],"metadata":{"a":{"x":1,"x":2}}}"#,
            br#"{"userId":"\ud800","items":[]}"#,
            deep.as_bytes(),
        ];
        for body in cases {
            let response =
                client().post("/").header("content-type", "application/json").raw(body.to_vec()).send().await;
            assert_eq!(response.status, 400, "{}", String::from_utf8_lossy(body));
            assert_eq!(
                response.json["code"],
                "INVALID_JSON",
                "{} {}",
                String::from_utf8_lossy(body),
                response.json
            );
        }
    }

    #[tokio::test]
    async fn what_means_nothing_is_refused_by_field() {
        for (body, field, problem) in [
            ("[]", "body", "must be an object, got a list"),
            (r#"["u",[]]"#, "body", "must be an object, got a list"),
            (r#"{"userId":"u","items":[[1]]}"#, "items[0]", "must be an object, got a list"),
            ("null", "body", "must be an object, got null"),
            (r#"{"items":[]}"#, "userId", "is required"),
            (r#"{"userId":"u","items":[{}]}"#, "items[0].quantity", "is required"),
            (r#"{"userId":"u","items":[],"colour":1}"#, "colour", "is not known"),
            (r#"{"userId":"u","items":[{"quantity":1,"x":1}]}"#, "items[0].x", "is not known"),
            (
                r#"{"userId":"u","items":[{"quantity":1},{"quantity":"2"}]}"#,
                "items[1].quantity",
                "must be a whole number, 0 or more, got \"2\"",
            ),
            (
                r#"{"userId":"u","items":[{"quantity":-1}]}"#,
                "items[0].quantity",
                "must be a whole number, 0 or more, `-1` is out of range",
            ),
            (r#"{"userId":"u","items":[],"metadata":[]}"#, "metadata", "must be an object, got a list"),
        ] {
            let response =
                client().post("/").json(&serde_json::from_str::<Value>(body).unwrap()).send().await;
            assert_eq!(
                (response.status.as_u16(), &response.json["code"]),
                (400, &json!("VALIDATION_FAILED")),
                "{body}"
            );
            assert_eq!(response.json["fields"], json!({field: problem}), "{body}");
        }
    }

    #[tokio::test]
    async fn type_and_size_are_checked_first() {
        let client = client();
        for kind in
            [None, Some("text/plain"), Some("application/jsonp"), Some("application/x-www-form-urlencoded")]
        {
            let mut request = client.post("/").raw("{}");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            assert_eq!(request.send().await.json["code"], "UNSUPPORTED_MEDIA_TYPE", "{kind:?}");
        }
        let large = "x".repeat(1001);
        let announced =
            client.post("/").header("content-type", "application/json").header("content-length", "1001");
        let chunked = client.post("/").header("content-type", "application/json");
        for request in [announced.raw(large.clone()), chunked.chunks(vec!["x".repeat(600), "y".repeat(600)])]
        {
            let response = request.send().await;
            assert_eq!(
                (response.status.as_u16(), &response.json["code"]),
                (413, &json!("PAYLOAD_TOO_LARGE"))
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_may_be_left_out_is_strict_if_there() {
        let client = client();
        assert_eq!(client.post("/maybe").send().await.json["data"]["quantity"], Value::Null);
        assert_eq!(
            client.post("/maybe").json(&json!({"quantity": 4})).send().await.json["data"]["quantity"],
            4
        );
        assert_eq!(client.post("/maybe").json(&json!({"q": 4})).send().await.status, 400);
        assert_eq!(client.post("/maybe").raw("{\"quantity\":4}").send().await.status, 415);
    }
}
