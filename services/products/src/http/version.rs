//! `ETag` and `If-Match`: a change that was made for an older version is refused.

use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use holdfast_service::http::{ApiError, ApiResult};

/// The version that the caller has seen: `If-Match: "3"`, `version` in the body, or neither.
///
/// # Errors
/// `VALIDATION_FAILED` if the header is no version, or if both are given and differ.
pub(super) fn expected(headers: &HeaderMap, body: Option<u64>) -> ApiResult<Option<u64>> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(body) };
    let refuse = |problem: &str| Err(ApiError::invalid("If-Match", problem));
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text == "*" && values.next().is_none() {
        return Ok(body);
    }
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let digits = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
    match (bare.parse::<u64>(), values.next(), body) {
        (Ok(_), None, _) if !digits => refuse("must be one version, such as \"3\""),
        (Ok(header), None, Some(body)) if header != body => refuse("is another version than the body's"),
        (Ok(header), None, _) => Ok(Some(header)),
        _ => refuse("must be one version, such as \"3\""),
    }
}

/// Adds the version of what is in the answer.
pub(super) fn tagged(mut response: Response, version: u64) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, body: Option<u64>) -> Option<Option<u64>> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_str(header).unwrap());
        expected(&headers, body).ok()
    }

    #[test]
    fn versions_are_read_or_refused() {
        assert_eq!(expected(&HeaderMap::new(), Some(4)).unwrap(), Some(4));
        assert_eq!(of("\"3\"", None), Some(Some(3)));
        assert_eq!(of("3", Some(3)), Some(Some(3)));
        assert_eq!(of("*", None), Some(None));
        for bad in ["", "x", "\"3", "\"3\", \"4\"", "W/\"3\"", "-1", "+3", "99999999999999999999"] {
            assert_eq!(of(bad, None), None, "{bad}");
        }
        assert_eq!(of("3", Some(4)), None);
    }
}
