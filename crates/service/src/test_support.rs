//! A small HTTP client for tests: it calls a router in process, without a socket.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt;

/// Calls one router. Clones call the same one.
#[derive(Clone, Debug)]
pub struct TestClient {
    router: Router,
}

/// A request being put together.
#[derive(Debug)]
#[must_use]
pub struct TestRequest {
    router: Router,
    builder: axum::http::request::Builder,
    body: Body,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The body as JSON; `Null` if it is none.
    pub json: Value,
}

impl TestClient {
    /// Calls `router`.
    pub fn new(router: Router) -> Self {
        Self { router }
    }

    /// A request with `method` to `path` (with its query).
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        let builder = Request::builder().method(method).uri(path);
        TestRequest { router: self.router.clone(), builder, body: Body::empty() }
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// A PUT request.
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// A PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest {
        self.request(Method::PATCH, path)
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }
}

impl TestRequest {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sends `value` as JSON, with its content type.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("JSON");
        self.header("content-type", "application/json").raw(body)
    }

    /// Sends these bytes, without a content type.
    pub fn raw(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::from(body.into());
        self
    }

    /// Sends these parts one by one, without a length.
    pub fn chunks(mut self, parts: Vec<String>) -> Self {
        self.body = Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, Infallible>)));
        self
    }

    /// Sends it and reads the answer.
    ///
    /// # Panics
    /// If the request is malformed or the answer breaks off.
    pub async fn send(self) -> TestResponse {
        let request = self.builder.body(self.body).expect("a valid request");
        let response = match self.router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        TestResponse { status: parts.status, headers: parts.headers, body, json }
    }
}

impl TestResponse {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `code` of an error, or nothing.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
