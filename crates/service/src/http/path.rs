//! Ids in paths.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use holdfast_contract::ErrorCode;

use super::error::ApiError;
use super::messages;

/// The path's only parameter, as a `T` that proves itself when it is parsed. Refuses with `INVALID_ID`.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T>(pub T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr,
    T::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| {
            ApiError::of_field(ErrorCode::InvalidId, "id", "is not valid percent-encoded UTF-8")
        })?;
        match params.iter().next() {
            Some((name, text)) => parse_id(name, text).map(Self),
            None => Err(ApiError::internal("PathId on a route without a parameter")),
        }
    }
}

/// Parses `text` as an id; `name` is what the error calls it.
///
/// # Errors
/// `INVALID_ID`.
pub fn parse_id<T>(name: &str, text: &str) -> Result<T, ApiError>
where
    T: FromStr,
    T::Err: Display,
{
    parse_id_as(ErrorCode::InvalidId, name, text)
}

/// As [`parse_id`], refusing with `code`.
///
/// # Errors
/// `code`.
pub fn parse_id_as<T>(code: ErrorCode, name: &str, text: &str) -> Result<T, ApiError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|e: T::Err| ApiError::of_field(code, name, messages::clip(&e.to_string())))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use holdfast_contract::ProductId;

    use super::*;
    use crate::http::{HttpOptions, finish};
    use crate::test_support::TestClient;

    #[tokio::test]
    async fn ids_are_parsed_or_refused() {
        let router = Router::new()
            .route("/products/{id}", get(|PathId(id): PathId<ProductId>| async move { id.to_string() }));
        let client = TestClient::new(finish(router, HttpOptions::default()));
        let good = client.get("/products/64F0C2A1B2C3D4E5F6A7B8C9").send().await;
        assert_eq!(&good.body[..], b"64f0c2a1b2c3d4e5f6a7b8c9");
        for bad in ["/products/1", "/products/%FF", "/products/64f0c2a1b2c3d4e5f6a7b8cg", "/products/%00"] {
            let response = client.get(bad).send().await;
            assert_eq!((response.status.as_u16(), response.code()), (400, "INVALID_ID"), "{bad}");
            assert!(response.json["fields"]["id"].is_string());
        }
    }
}
