//! The built app, as it is in the binary.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use holdfast_contract::ErrorCode;
use holdfast_service::http::{ApiError, ApiResult};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Beside each file that is worth it lies its compressed form, with `.gz` at the end of its name.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// No script and no style from anywhere but the app's own files, and no request but to its own server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()");
/// Names of files under `assets/` hold a digest of what is in them.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Holdfast</title>\
    <h1>The web app is not in this binary</h1>\
    <p>It was compiled without it. <code>make run</code> builds both; or build the app and then the program:</p>\
    <pre>make web\ncargo build</pre>\
    <p>The services themselves run: see <a href=\"/services/orders/health/ready\">Orders</a> and \
    <a href=\"/services/products/health/ready\">Products</a>.</p></html>";

/// A file of the app. A path that names none is one of the app's own pages, which its script shows.
pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> ApiResult {
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Built::get(path) {
        return Ok(answer(path, file, &headers));
    }
    // A page's path may have dots further down: the names of topics do.
    let is_file = !path.contains('/') && path.contains('.');
    // Neither is a page: who asks the wrong port for them must not take the app for the answer.
    let is_service = ["health/", "api/"].iter().any(|part| path.starts_with(part));
    if path.starts_with("assets/") || is_service || is_file {
        let path: String = uri.path().chars().take(200).collect();
        return Err(ApiError::new(ErrorCode::RouteNotFound, format!("There is nothing at {path}")));
    }
    Ok(match Built::get("index.html") {
        Some(page) => answer("index.html", page, &headers),
        None => not_built(),
    })
}

fn not_built() -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, [(CONTENT_TYPE, kind)], NOT_BUILT).into_response();
    guard(response.headers_mut(), ASK_AGAIN);
    response
}

fn answer(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let digest: String = file.metadata.sha256_hash().iter().take(12).map(|b| format!("{b:02x}")).collect();
    let zipped = accepts_gzip(asked).then(|| Built::get(&format!("{path}.gz"))).flatten();
    let encoded = zipped.is_some();
    // Each form has a tag of its own.
    let tag = format!("\"{digest}{}\"", if encoded { "-gz" } else { "" });
    let known = asked.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(zipped.unwrap_or(file).data))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(path)));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if encoded && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    guard(headers, if path.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN });
    response
}

fn guard(headers: &mut HeaderMap, caching: HeaderValue) {
    headers.insert(CACHE_CONTROL, caching);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0"))
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(encoding))])
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for (encoding, takes) in [("gzip, deflate, br", true), ("br;q=1, gzip;q=0.5", true), ("br", false)] {
            assert_eq!(accepts_gzip(&asking(encoding)), takes, "{encoding}");
        }
        assert!(!accepts_gzip(&asking("gzip;q=0")) && !accepts_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_page_of_the_app_is_guarded_and_asked_for_again_and_a_missing_file_is_missing() {
        // With the app or without it: the answer differs, its guards do not.
        let page = serve(Uri::from_static("/topics/inventory.reserve"), HeaderMap::new()).await.unwrap();
        assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(page.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        for missing in ["/assets/gone.js", "/robots.txt.gone"] {
            assert!(serve(missing.parse().unwrap(), HeaderMap::new()).await.is_err(), "{missing}");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let file = || EmbeddedFile {
            data: b"x".as_slice().into(),
            metadata: rust_embed::Metadata::__rust_embed_new([7; 32], None, None),
        };
        let first = answer("assets/x.js", file(), &HeaderMap::new());
        assert_eq!(first.headers()[CACHE_CONTROL], FOR_EVER);
        let tag = first.headers()[ETAG].clone();
        let again = answer("assets/x.js", file(), &HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}
