use axum::routing::{get, post};
use serde_json::json;

use super::*;
use crate::http::ok;
use crate::telemetry::Metrics;
use crate::test_support::TestClient;

fn client() -> TestClient {
    let router = Router::new()
        .route("/items/{id}", get(|| async { ok("Found", &json!({})) }).delete(|| async { "gone" }))
        .route("/panic", get(|| async { panic!("boom") as Response }))
        .route("/slow", get(std::future::pending::<Response>))
        .route("/socket.io/", get(|| async { tokio::time::sleep(Duration::from_secs(3600)).await }))
        .route("/ws", get(|| async { "upgraded" }))
        .route("/fails", post(|| async { ApiError::internal("secret") }))
        .route(
            "/echo",
            get(|request: Request| async move {
                request.extensions().get::<RequestContext>().unwrap().id().to_owned()
            }),
        );
    TestClient::new(finish(router, HttpOptions::default()))
}

#[tokio::test]
async fn request_ids_are_taken_or_made() {
    let client = client();
    let sent = client.get("/echo").header("x-request-id", "mine-1").send().await;
    assert_eq!((sent.header("x-request-id"), &sent.body[..]), (Some("mine-1"), &b"mine-1"[..]));
    let long = "x".repeat(65);
    for bad in ["", "a b", &long] {
        let made = client.get("/echo").header("x-request-id", bad).send().await;
        let id = made.header("x-request-id").unwrap();
        assert_eq!((id.len(), &id[6..7]), (15, "-"), "{id}");
        assert_eq!(&made.body[..], id.as_bytes());
    }
    let (one, two) = (client.get("/echo").send().await, client.get("/echo").send().await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn an_answer_is_no_page_and_not_for_caches() {
    let asked = |options: HttpOptions| async {
        let kept = || async { ([(CACHE_CONTROL, "max-age=60")], "kept") };
        let router = Router::new().route("/", get(|| async { "x" })).route("/kept", get(kept));
        let client = TestClient::new(finish(router, options));
        (client.get("/").send().await, client.get("/kept").send().await)
    };
    let (answer, kept) = asked(HttpOptions::default()).await;
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(kept.header("cache-control"), Some("max-age=60"));
    let (answer, _) = asked(HttpOptions { only_https: true, ..HttpOptions::default() }).await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000"));
}

#[tokio::test]
async fn every_error_is_in_the_envelope_with_its_request_id() {
    let client = client();
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/items/1/more", 404, "ROUTE_NOT_FOUND"),
        ("PUT", "/items/1", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/items/1", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/panic", 500, "INTERNAL"),
        ("POST", "/fails", 500, "INTERNAL"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = client.request(method, path).header("x-request-id", "r-9").send().await;
        assert_eq!((response.status.as_u16(), response.code()), (status, code), "{path}");
        assert_eq!(response.json["requestId"], "r-9");
        assert_eq!(response.json["statusCode"], status);
        assert!(!response.text().contains("secret") && !response.text().contains("boom"));
        assert_eq!(response.header("content-length").unwrap(), response.body.len().to_string());
        if status == 405 {
            assert!(response.header("allow").unwrap().contains("DELETE"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let client = client();
    let response = client.get("/slow").send().await;
    assert_eq!((response.status.as_u16(), response.code()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(client.get("/socket.io/").send().await.status, 200);
}

#[tokio::test]
async fn browsers_get_their_answers() {
    let client = client();
    let preflight = |path: &str, origin: &str| {
        client
            .request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type, idempotency-key")
    };
    // Also where OPTIONS, or the whole path, is not routed.
    for path in ["/items/1", "/fails", "/nowhere"] {
        let response = preflight(path, "http://localhost:3006").send().await;
        assert_eq!(response.status, 204);
        assert_eq!(response.header("access-control-allow-origin"), Some("http://localhost:3006"));
        assert_eq!(response.headers.get_all("vary").iter().count(), 1);
        for wanted in ["content-type", "authorization", "idempotency-key", "if-match"] {
            assert!(response.header("access-control-allow-headers").unwrap().contains(wanted));
        }
        assert!(response.header("access-control-allow-methods").unwrap().contains("PATCH"));
    }
    let foreign = preflight("/fails", "http://evil.example").send().await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);

    // Errors are readable too.
    for path in ["/items/1", "/nowhere", "/panic"] {
        let response = client.get(path).header("origin", "http://127.0.0.1:8080").send().await;
        assert_eq!(response.header("access-control-allow-origin"), Some("http://127.0.0.1:8080"));
        assert!(response.header("access-control-expose-headers").unwrap().contains("idempotency-replayed"));
        assert_eq!(response.header("vary"), Some("origin"));
    }
    assert_eq!(client.get("/items/1").send().await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn foreign_pages_have_no_effects() {
    let client = client();
    for (origin, status) in [
        (Some("http://evil.example"), 403),
        (Some("null"), 403),
        (Some("http://localhost:3006"), 200),
        (Some("http://localhost:3004"), 200),
        (None, 200),
    ] {
        let mut request = client.request(Method::DELETE, "/items/1").header("host", "localhost:3004");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(request.send().await.status, status, "{origin:?}");
    }
    assert_eq!(client.get("/items/1").header("origin", "http://evil.example").send().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn foreign_pages_open_no_live_connections() {
    let client = client();
    let opening = |path: &str, origin: Option<&str>| {
        let mut request = client.get(path).header("host", "localhost:3004");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request
    };
    for (origin, status) in [
        (Some("http://evil.example"), 403),
        (Some("null"), 403),
        (Some("http://localhost:3006"), 200),
        (Some("http://localhost:3004"), 200),
        (None, 200),
    ] {
        let upgrade = opening("/ws", origin).header("connection", "Upgrade").header("upgrade", "websocket");
        assert_eq!(upgrade.send().await.status, status, "{origin:?}");
        // Long polling is an ordinary GET.
        assert_eq!(
            opening("/socket.io/?transport=polling", origin).send().await.status,
            status,
            "{origin:?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_not_answered() {
    let client = client();
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        // For the browser this is the page's own origin.
        let rebound = client
            .request(method.clone(), "/items/1")
            .header("host", "evil.example:3004")
            .header("origin", "http://evil.example:3004");
        let response = rebound.send().await;
        assert_eq!((response.status.as_u16(), response.code()), (403, "FORBIDDEN"), "{method}");
        let message = response.json["message"].as_str().unwrap();
        assert!(message.contains("evil.example:3004") && message.contains("ALLOWED_HOSTS"), "{message}");
    }
    let hosts = AllowedHosts::parse("shop.example").unwrap();
    let router = Router::new().route("/items", get(|| async { "here" }));
    let named = TestClient::new(finish(router, HttpOptions { hosts, ..HttpOptions::default() }));
    for (host, status) in [("shop.example", 200), ("127.0.0.1:3004", 200), ("evil.example", 403)] {
        assert_eq!(named.get("/items").header("host", host).send().await.status, status, "{host}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let metrics = Metrics::install();
    let client = client();
    client.get("/items/1").send().await;
    client.get("/items/2").send().await;
    client.get("/elsewhere/3").send().await;
    let text = metrics.render();
    let count = |labels: &str| {
        let line = text.lines().find(|l| l.starts_with("http_requests_total") && l.contains(labels));
        line.and_then(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(count(r#"method="GET",path="/items/{id}",status="200""#) >= 2, "{text}");
    assert!(count(r#"path="(unmatched)",status="404""#) >= 1);
    assert!(!text.contains("/items/1"));
    assert!(text.contains("http_request_duration_seconds_bucket"));
}
