//! `Idempotency-Key`: reading it, naming its scope, and knowing what runs right now.
//!
//! What was answered is stored with the effect, in the service's store. Only "still running" lives here, in memory,
//! so that it cannot outlive the process that runs.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use holdfast_contract::ErrorCode;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// The request header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The response header that says that an answer is a repeated one.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// The refusal of a key that was used for another body.
pub fn key_reused() -> ApiError {
    ApiError::new(
        ErrorCode::IdempotencyKeyReused,
        "This Idempotency-Key was used for a request with another body: use a new key for a new request",
    )
}

/// A client's `Idempotency-Key`: 1 to 255 visible ASCII characters.
///
/// As an extractor it refuses with `INVALID_IDEMPOTENCY_KEY`, and with `IDEMPOTENCY_KEY_REQUIRED` if it is missing,
/// unless it is taken as an `Option`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The longest key.
    pub const MAX_LENGTH: usize = 255;

    /// Reads the header.
    ///
    /// # Errors
    /// `INVALID_IDEMPOTENCY_KEY` if it is malformed or there are two.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text = value
            .to_str()
            .ok()
            .filter(|t| (1..=Self::MAX_LENGTH).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()));
        match (text, values.next()) {
            (Some(text), None) => Ok(Some(Self(text.into()))),
            _ => Err(ApiError::new(
                ErrorCode::InvalidIdempotencyKey,
                "Idempotency-Key must be one value of 1 to 255 visible ASCII characters",
            )),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::from_headers(&parts.headers)?.ok_or_else(|| {
            ApiError::new(ErrorCode::IdempotencyKeyRequired, "This call needs an Idempotency-Key header")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, ApiError> {
        Self::from_headers(&parts.headers)
    }
}

/// Names (subject, route, key) in 16 bytes. Persisted: never change how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyScope([u8; 16]);

impl IdempotencyScope {
    /// `route` is the method and the path as matched with its ids (`POST /api/v1/orders`), without the query.
    pub fn new(subject: &str, route: &str, key: &IdempotencyKey) -> Self {
        let mut hash = Sha256::new();
        // Lengths first, so that no part can pass for the end of another.
        for part in [subject, route, key.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut scope = [0; 16];
        scope.copy_from_slice(&digest[..16]);
        Self(scope)
    }

    /// Takes back what [`IdempotencyScope::as_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, for storage.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

const SHARDS: usize = 16;

/// The scopes whose requests run in this process now. Clones are the same set.
#[derive(Clone, Debug, Default)]
pub struct Running {
    shards: Arc<[Mutex<FxHashSet<[u8; 16]>>; SHARDS]>,
}

/// Marks its scope as running until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct RunningGuard {
    running: Running,
    scope: IdempotencyScope,
}

impl Running {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks `scope` as running; `None` if it already is.
    pub fn try_begin(&self, scope: IdempotencyScope) -> Option<RunningGuard> {
        let fresh = self.shard(scope).lock().insert(scope.0);
        fresh.then(|| RunningGuard { running: self.clone(), scope })
    }

    /// As [`Running::try_begin`], as an answer.
    ///
    /// # Errors
    /// `IDEMPOTENCY_IN_PROGRESS` with `Retry-After: 1`.
    pub fn begin(&self, scope: IdempotencyScope) -> Result<RunningGuard, ApiError> {
        self.try_begin(scope).ok_or_else(|| {
            ApiError::new(
                ErrorCode::IdempotencyInProgress,
                "A request with this Idempotency-Key is still running",
            )
            .retry_after(1)
        })
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().len()).sum()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, scope: IdempotencyScope) -> &Mutex<FxHashSet<[u8; 16]>> {
        &self.shards[usize::from(scope.0[0]) % SHARDS]
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.shard(self.scope).lock().remove(&self.scope.0);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn header(value: &[u8]) -> Result<Option<IdempotencyKey>, ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        IdempotencyKey::from_headers(&headers).map_err(|e| e.code())
    }

    #[test]
    fn keys_are_checked() {
        for good in ["a", "order-1/{}\"~!", &"k".repeat(255)] {
            assert_eq!(header(good.as_bytes()).unwrap().unwrap().as_str(), good);
        }
        for bad in [&b""[..], b"a b", b"\xC3\xA9", b"\t", "k".repeat(256).as_bytes()] {
            assert_eq!(header(bad), Err(ErrorCode::InvalidIdempotencyKey));
        }
        assert_eq!(IdempotencyKey::from_headers(&HeaderMap::new()).unwrap(), None);
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(IdempotencyKey::from_headers(&twice).is_err());
    }

    #[test]
    fn scopes_differ_by_every_part_and_are_stable() {
        let key = |text: &str| IdempotencyKey(text.into());
        let scope = IdempotencyScope::new("admin", "POST /orders", &key("k1"));
        assert_eq!(scope, IdempotencyScope::new("admin", "POST /orders", &key("k1")));
        for other in [
            IdempotencyScope::new("other", "POST /orders", &key("k1")),
            IdempotencyScope::new("admin", "POST /order", &key("sk1")),
            IdempotencyScope::new("admin", "POST /orders", &key("k2")),
        ] {
            assert_ne!(scope, other);
        }
        assert_eq!(IdempotencyScope::from_bytes(*scope.as_bytes()), scope);
        let hex: String = scope.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        // Persisted: this value must never change.
        assert_eq!(hex, "fcb1480106b8ffc95add0eadba07ebc9");
    }

    #[test]
    fn a_scope_runs_once_until_its_guard_is_dropped() {
        let running = Running::new();
        let scope = IdempotencyScope::from_bytes([7; 16]);
        let guard = running.try_begin(scope).unwrap();
        assert!(running.try_begin(scope).is_none());
        assert_eq!(running.begin(scope).unwrap_err().code(), ErrorCode::IdempotencyInProgress);
        assert_eq!(running.len(), 1);
        drop(guard);
        assert!(running.is_empty());
        drop(running.begin(scope).unwrap());
    }
}
