//! Which web pages may call: browsers ask, this answers.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use thiserror::Error;

/// The web app's own origins.
pub const DEFAULT_CORS_ORIGINS: &str =
    "http://localhost:3006,http://127.0.0.1:3006,http://localhost:8080,http://127.0.0.1:8080";

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, authorization, idempotency-key, if-match, x-request-id, traceparent",
);
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-request-id, idempotency-replayed, retry-after, etag, location");
/// Browsers cap it anyway; ten minutes spare nearly every preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// An entry of `CORS_ORIGINS` is not an origin.
#[derive(Debug, Error)]
#[error("{0:?} is not an origin such as https://shop.example:8443")]
pub struct InvalidOrigin(String);

/// The origins that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
}

/// What an `Origin` header means for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No page asks: not a browser, or one that stays at home.
    NotAsked,
    /// The page may read the answer.
    Allowed(HeaderValue),
    /// The page may not.
    Foreign,
}

impl Cors {
    /// Reads `CORS_ORIGINS`: origins separated by commas; `*` allows any, empty none.
    ///
    /// # Errors
    /// If an entry is not a scheme, a host and maybe a port.
    pub fn parse(list: &str) -> Result<Self, InvalidOrigin> {
        let mut cors = Self { any: false, origins: Vec::new() };
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            if entry == "*" {
                cors.any = true;
                continue;
            }
            let origin = entry.trim_end_matches('/').to_ascii_lowercase();
            let valid = origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "http" | "https")
                    && !host.is_empty()
                    && !host.contains(|c: char| c == '/' || c == '@' || c.is_whitespace())
            });
            match HeaderValue::from_str(&origin) {
                Ok(value) if valid => cors.origins.push(value),
                _ => return Err(InvalidOrigin(entry.to_owned())),
            }
        }
        Ok(cors)
    }

    pub(super) fn judge(&self, headers: &HeaderMap, uri: &Uri) -> Verdict {
        let Some(origin) = headers.get(axum::http::header::ORIGIN) else { return Verdict::NotAsked };
        if self.any || self.origins.contains(origin) {
            return Verdict::Allowed(origin.clone());
        }
        // A page that this service (or the proxy in front of it) serves itself.
        let host =
            headers.get(HOST).map(HeaderValue::as_bytes).or(uri.authority().map(|a| a.as_str().as_bytes()));
        let own = origin.to_str().ok().and_then(|o| Some(o.split_once("://")?.1.as_bytes()));
        if own.is_some() && own == host { Verdict::NotAsked } else { Verdict::Foreign }
    }
}

impl Default for Cors {
    /// [`DEFAULT_CORS_ORIGINS`].
    fn default() -> Self {
        let origins = DEFAULT_CORS_ORIGINS.split(',').map(HeaderValue::from_static).collect();
        Self { any: false, origins }
    }
}

/// Whether the request only asks what it may do.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key("access-control-request-method")
}

/// The answer to a preflight.
pub(super) fn preflight(verdict: &Verdict) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    // Whose page may read it says [`apply`], as for every answer.
    if matches!(verdict, Verdict::Allowed(_)) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    response
}

/// Lets the page read the answer, if it may. Nothing for requests that are not a browser's.
pub(super) fn apply(verdict: Verdict, headers: &mut HeaderMap) {
    match verdict {
        Verdict::NotAsked => {}
        Verdict::Allowed(origin) => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            headers.append(VARY, VARY_ORIGIN);
        }
        Verdict::Foreign => {
            headers.append(VARY, VARY_ORIGIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(cors: &Cors, origin: &str, host: &str) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        headers.insert("host", HeaderValue::from_str(host).unwrap());
        cors.judge(&headers, &Uri::from_static("/"))
    }

    #[test]
    fn listed_origins_are_allowed() {
        let cors = Cors::parse(" https://Shop.example/ , http://[::1]:8080").unwrap();
        for (origin, allowed) in [
            ("https://shop.example", true),
            ("http://[::1]:8080", true),
            ("http://shop.example", false),
            ("https://shop.example.evil", false),
            ("null", false),
        ] {
            let verdict = judge(&cors, origin, "127.0.0.1:3004");
            assert_eq!(matches!(verdict, Verdict::Allowed(_)), allowed, "{origin}");
        }
        assert_eq!(judge(&cors, "http://127.0.0.1:3004", "127.0.0.1:3004"), Verdict::NotAsked);
        assert_eq!(Cors::parse(DEFAULT_CORS_ORIGINS).unwrap(), Cors::default());
        assert!(matches!(judge(&Cors::parse("*").unwrap(), "null", "x"), Verdict::Allowed(_)));
        assert_eq!(judge(&Cors::parse("").unwrap(), "http://localhost:3006", "x"), Verdict::Foreign);
        for wrong in ["localhost:3006", "ftp://x", "http://", "http://a/b", "http://u@h", "http://a b"] {
            assert!(Cors::parse(wrong).is_err(), "{wrong}");
        }
    }
}
