//! Who may do what: every documented route, by every role.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_products::access::ACCESS;
use holdfast_products::http::openapi;
use holdfast_service::audit::Board;
use holdfast_service::auth::test_support::{access, token};
use holdfast_service::http::{HttpOptions, Operational, Role, finish, operational_routes};
use holdfast_service::telemetry::Metrics;
use holdfast_service::test_support::TestClient;
use holdfast_service::{Lifecycle, SystemClock};
use serde_json::{Value, json};

use crate::support::{PRODUCTS, Shop};

/// What each route answers to: nobody, a customer, a service, an operator, an admin. Products belong to the shop, so there
/// is no own and foreign one.
#[rustfmt::skip]
const WALK: &[(&str, &str, [u16; 5])] = &[
    ("GET",    "/api/v1/products",                  [401, 200, 200, 200, 200]),
    ("POST",   "/api/v1/products",                  [401, 403, 403, 201, 201]),
    ("GET",    "/api/v1/products/search",           [401, 200, 200, 200, 200]),
    ("GET",    "/api/v1/products/{id}",             [401, 200, 200, 200, 200]),
    ("PUT",    "/api/v1/products/{id}",             [401, 403, 403, 200, 200]),
    ("DELETE", "/api/v1/products/{id}",             [401, 403, 403, 200, 200]),
    ("GET",    "/api/v1/products/{id}/holds",       [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/products/{id}/movements",   [401, 403, 200, 200, 200]),
    ("POST",   "/api/v1/products/{id}/adjust",      [401, 403, 403, 200, 200]),
    ("POST",   "/api/v1/products/{id}/reserve",     [401, 403, 200, 200, 200]),
    ("POST",   "/api/v1/products/{id}/release",     [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/topics",                    [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/topics/{name}",             [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/topics/{name}/messages",    [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/groups",                    [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/dead-letters",              [401, 403, 200, 200, 200]),
    ("GET",    "/api/v1/dead-letters/{id}",         [401, 403, 404, 404, 404]),
    ("POST",   "/api/v1/dead-letters/{id}/replay",  [401, 403, 404, 404, 404]),
    ("POST",   "/api/v1/dead-letters/{id}/discard", [401, 403, 404, 404, 404]),
    ("GET",    "/health/live",                      [200, 200, 200, 200, 200]),
    ("GET",    "/health/ready",                     [200, 200, 200, 200, 200]),
    ("GET",    "/openapi.json",                     [200, 200, 200, 200, 200]),
    ("GET",    "/health/audit",                     [401, 403, 200, 200, 200]),
    ("GET",    "/metrics",                          [401, 403, 200, 200, 200]),
];

fn body(method: &str, path: &str) -> Option<Value> {
    match (method, path.rsplit('/').next()?) {
        ("POST", "products") => Some(json!({"name": "New", "price": 1})),
        ("PUT", _) => Some(json!({"name": "Renamed"})),
        (_, "adjust") => Some(json!({"delta": 1, "reason": "counted"})),
        (_, "reserve" | "release") => Some(json!({"quantity": 1, "orderId": "till-1"})),
        _ => None,
    }
}

#[tokio::test]
async fn every_route_answers_each_role_as_it_should() {
    let shop = Shop::open();
    let operational = Operational {
        service: "products",
        version: "0",
        checks: Vec::new(),
        audit: Board::new("products", None, &[], Arc::new(SystemClock)),
        metrics: Metrics::install(),
        openapi: Bytes::from_static(b"{}"),
        lifecycle: Lifecycle::new(Duration::ZERO),
    };
    let clock = shop.clock();
    let access = access(Arc::new(clock.clone()), ACCESS);
    let router = shop.router().merge(operational_routes(operational));
    let client = TestClient::new(finish(router, HttpOptions { access, ..HttpOptions::default() }));
    let roles = [None, Some(Role::Customer), Some(Role::Service), Some(Role::Operator), Some(Role::Admin)];
    for (method, path, expected) in WALK {
        for (role, expected) in roles.into_iter().zip(expected) {
            // `product` moves the time, so the token is made after it.
            let product = shop.product("Test Product", 5).await;
            let called = path
                .replace("dead-letters/{id}", "dead-letters/products-1")
                .replace("{id}", &product)
                .replace("{name}", Topic::StockChanged.name());
            let query = if path.ends_with("/search") { "?q=test" } else { "" };
            let verb: Method = method.parse().unwrap();
            let mut request = client.request(verb, &format!("{called}{query}"));
            if let Some(role) = role {
                let token = token(&clock, "somebody", role);
                request = request.header("authorization", &format!("Bearer {token}"));
            }
            if path.ends_with("/adjust") {
                request = request.header("idempotency-key", &format!("{product}-{role:?}"));
            }
            let answer = match body(method, path) {
                Some(body) => request.json(&body).send().await,
                None => request.send().await,
            };
            assert_eq!(answer.status, *expected, "{method} {path} by {role:?}: {}", answer.text());
            if let 401 | 403 = expected {
                let code = if *expected == 401 { "UNAUTHENTICATED" } else { "FORBIDDEN" };
                assert_eq!(answer.code(), code, "{method} {path} by {role:?}");
                assert_eq!(shop.show(&product).await["version"], 1, "{method} {path} by {role:?} changed it");
            }
        }
    }
}

#[test]
fn no_route_is_missing() {
    let document = serde_json::to_value(openapi()).unwrap();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |m| (m.to_uppercase(), path.clone()))
        })
        .collect();
    let walked = WALK.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, walked);
    let rules: Vec<_> = ACCESS.iter().copied().flatten().collect();
    let mut listed: BTreeSet<_> =
        rules.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    assert_eq!(listed.len(), rules.len(), "a route is in the table twice");
    // The same collection by another spelling.
    for method in ["GET", "POST"] {
        assert!(listed.remove(&(method.to_owned(), format!("{PRODUCTS}/"))), "{method}");
    }
    assert_eq!(listed, documented);
}
