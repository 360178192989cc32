//! Who may do what: every documented route, by every role, on one's own order and on somebody else's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_orders::access::ACCESS;
use holdfast_orders::http::{self, openapi};
use holdfast_service::audit::Board;
use holdfast_service::auth::test_support::{access, token};
use holdfast_service::http::{HttpOptions, Operational, Role, finish, operational_routes};
use holdfast_service::telemetry::Metrics;
use holdfast_service::test_support::{TestClient, TestResponse};
use holdfast_service::{Lifecycle, SystemClock};
use serde_json::{Value, json};

use crate::support::{World, order};

/// What each route answers to: nobody, a customer about the own order, a customer about another's, a service, an operator,
/// an admin (the last three about another's).
#[rustfmt::skip]
const WALK: &[(&str, &str, [u16; 6])] = &[
    ("POST",   "/api/v1/orders",                   [401, 201, 403, 403, 201, 201]),
    ("GET",    "/api/v1/orders",                   [401, 200, 400, 403, 200, 200]),
    ("GET",    "/api/v1/orders/statuses",          [401, 200, 200, 200, 200, 200]),
    ("GET",    "/api/v1/orders/user/{userId}",     [401, 200, 403, 403, 200, 200]),
    ("GET",    "/api/v1/orders/{id}",              [401, 200, 404, 403, 200, 200]),
    ("PUT",    "/api/v1/orders/{id}",              [401, 200, 404, 403, 200, 200]),
    ("DELETE", "/api/v1/orders/{id}",              [401, 403, 403, 403, 403, 200]),
    ("PATCH",  "/api/v1/orders/{id}/status",       [401, 403, 403, 403, 200, 200]),
    ("PATCH",  "/api/v1/orders/{id}/cancel",       [401, 200, 404, 403, 200, 200]),
    ("GET",    "/api/v1/orders/{id}/timeline",     [401, 200, 404, 403, 200, 200]),
    ("GET",    "/api/v1/topics",                   [401, 403, 403, 200, 200, 200]),
    ("GET",    "/api/v1/topics/{name}",            [401, 403, 403, 200, 200, 200]),
    ("GET",    "/api/v1/topics/{name}/messages",   [401, 403, 403, 200, 200, 200]),
    ("GET",    "/api/v1/groups",                   [401, 403, 403, 200, 200, 200]),
    ("GET",    "/api/v1/dead-letters",             [401, 403, 403, 200, 200, 200]),
    ("GET",    "/api/v1/dead-letters/{id}",        [401, 403, 403, 404, 404, 404]),
    ("POST",   "/api/v1/dead-letters/{id}/replay", [401, 403, 403, 404, 404, 404]),
    ("POST",   "/api/v1/dead-letters/{id}/discard", [401, 403, 403, 404, 404, 404]),
    ("GET",    "/health/live",                     [200, 200, 200, 200, 200, 200]),
    ("GET",    "/health/ready",                    [200, 200, 200, 200, 200, 200]),
    ("GET",    "/openapi.json",                    [200, 200, 200, 200, 200, 200]),
    ("GET",    "/health/audit",                    [401, 403, 403, 200, 200, 200]),
    ("GET",    "/metrics",                         [401, 403, 403, 200, 200, 200]),
];

const OWN: &str = "ada";
const OTHER: &str = "bob";

/// The service, with the tokens that it asks for.
struct Guarded {
    world: World,
    client: TestClient,
}

impl Guarded {
    async fn new() -> Self {
        let world = World::new().await;
        let operational = Operational {
            service: "orders",
            version: "0",
            checks: Vec::new(),
            audit: Board::new("orders", None, &[], Arc::new(SystemClock)),
            metrics: Metrics::install(),
            openapi: Bytes::from_static(b"{}"),
            lifecycle: Lifecycle::new(Duration::ZERO),
        };
        let router = world.router().merge(operational_routes(operational));
        let access = access(Arc::new(world.clock.clone()), ACCESS);
        let client = TestClient::new(finish(router, HttpOptions { access, ..HttpOptions::default() }));
        Self { world, client }
    }

    fn token(&self, subject: &str, role: Role) -> String {
        token(&self.world.clock, subject, role)
    }

    async fn call(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> TestResponse {
        let mut request = self.client.request(method, path);
        if !token.is_empty() {
            request = request.header("authorization", &format!("Bearer {token}"));
        }
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    async fn get(&self, token: &str, path: &str) -> TestResponse {
        self.call(token, Method::GET, path, None).await
    }
}

fn order_of(user: &str) -> Value {
    let mut order = order();
    order["userId"] = json!(user);
    order
}

fn body(method: &str, path: &str, user: &str) -> Option<Value> {
    match (method, path) {
        ("POST", "/api/v1/orders") => Some(order_of(user)),
        ("PUT", _) => Some(json!({"metadata": {"gift": true}})),
        ("PATCH", path) if path.ends_with("/status") => Some(json!({"status": "cancelled"})),
        _ => None,
    }
}

#[tokio::test]
async fn every_route_answers_each_role_as_it_should() {
    let shop = Guarded::new().await;
    let [service, operator, admin] =
        [Role::Service, Role::Operator, Role::Admin].map(|role| shop.token("somebody", role));
    let customer = shop.token(OWN, Role::Customer);
    let callers = [
        ("nobody", "", OTHER),
        ("customer, own", &customer, OWN),
        ("customer, another's", &customer, OTHER),
        ("service", &service, OTHER),
        ("operator", &operator, OTHER),
        ("admin", &admin, OTHER),
    ];
    for (method, path, expected) in WALK {
        for ((who, token, user), expected) in callers.iter().zip(expected) {
            let order = shop.world.placed_by(user).await;
            let called = path
                .replace("dead-letters/{id}", "dead-letters/orders-1")
                .replace("{id}", order["_id"].as_str().unwrap())
                .replace("{name}", Topic::OrderCreated.name())
                .replace("{userId}", user);
            let filter = if *path == http::BASE && *method == "GET" {
                format!("?userId={user}")
            } else {
                String::new()
            };
            let verb = method.parse().unwrap();
            let answer =
                shop.call(token, verb, &format!("{called}{filter}"), body(method, path, user).as_ref()).await;
            assert_eq!(answer.status, *expected, "{method} {path} by {who}: {}", answer.text());
            match expected {
                401 => assert_eq!(answer.code(), "UNAUTHENTICATED", "{method} {path} by {who}"),
                403 => assert_eq!(answer.code(), "FORBIDDEN", "{method} {path} by {who}"),
                _ => {}
            }
            if *expected >= 400 && *path != http::BASE {
                let after = shop.world.get(&order).await;
                assert_eq!(after["version"], order["version"], "{method} {path} by {who} changed it");
            }
        }
    }
}

#[test]
fn no_route_is_missing() {
    let document = serde_json::to_value(openapi::openapi()).unwrap();
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
    let listed: BTreeSet<_> =
        rules.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    assert_eq!(listed.len(), rules.len(), "a route is in the table twice");
    let undocumented: Vec<_> =
        listed.difference(&documented).map(|(method, path)| format!("{method} {path}")).collect();
    // The same collection by another spelling, and what is no HTTP API.
    assert_eq!(
        undocumented,
        ["* /socket.io", "* /socket.io/", "GET /api/v1/orders/", "GET /ws", "POST /api/v1/orders/"]
    );
    assert!(documented.is_subset(&listed), "not in the table: {:?}", documented.difference(&listed));
}

#[tokio::test]
async fn lists_and_searches_of_a_customer_hold_the_own_orders_only() {
    let shop = Guarded::new().await;
    let (customer, operator) = (shop.token(OWN, Role::Customer), shop.token("op", Role::Operator));
    let mine = shop.world.placed_by(OWN).await;
    let theirs = shop.world.placed_by(OTHER).await;
    let number = theirs["orderNumber"].as_str().unwrap();
    for query in
        ["", "?sortBy=amount", "?limit=200", "?search=test", &format!("?search={number}"), "?status=1"]
    {
        let path = format!("{}{query}", http::BASE);
        let seen = shop.get(&customer, &path).await;
        assert_eq!(seen.status, 200, "{query}: {}", seen.text());
        for order in seen.json["data"]["orders"].as_array().unwrap() {
            assert_eq!(order["userId"], OWN, "{query}");
        }
        assert!(!seen.text().contains(number), "{query}");
    }
    let all = shop.get(&operator, http::BASE).await;
    assert_eq!(all.json["data"]["count"], 2);
    // By number as by id; a foreign order answers byte for byte as one that never was.
    assert_eq!(
        shop.get(&customer, &format!("{}/{}", http::BASE, mine["orderNumber"].as_str().unwrap()))
            .await
            .status,
        200
    );
    let foreign = shop.get(&customer, &format!("{}/{number}", http::BASE)).await;
    let absent = shop.get(&customer, &format!("{}/{}", http::BASE, "0".repeat(24))).await;
    let same = |answer: &TestResponse| {
        let mut json = answer.json.clone();
        json["requestId"] = json!(null);
        (answer.status, json)
    };
    assert_eq!(same(&foreign), same(&absent));
}

#[tokio::test]
async fn a_cursor_of_another_list_opens_nothing() {
    let shop = Guarded::new().await;
    let (customer, operator) = (shop.token(OWN, Role::Customer), shop.token("op", Role::Operator));
    for _ in 0..2 {
        shop.world.placed_by(OTHER).await;
    }
    let page = shop.get(&operator, &format!("{}?limit=1", http::BASE)).await;
    let cursor = page.json["meta"]["nextCursor"].as_str().unwrap();
    let tried = shop.get(&customer, &format!("{}?limit=1&cursor={cursor}", http::BASE)).await;
    assert_eq!(tried.code(), "INVALID_CURSOR");
}

#[tokio::test]
async fn one_customers_key_is_not_anothers() {
    let shop = Guarded::new().await;
    for (user, replayed) in [(OWN, None), (OTHER, None), (OWN, Some("true"))] {
        let token = shop.token(user, Role::Customer);
        let request = shop.client.post(http::BASE).header("authorization", &format!("Bearer {token}"));
        let answer = request.header("idempotency-key", "k-1").json(&order_of(user)).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("idempotency-replayed")),
            (201, replayed),
            "{user}"
        );
        assert_eq!(answer.json["data"]["order"]["userId"], user);
    }
}

#[tokio::test]
async fn a_price_binds_where_a_customer_asked() {
    let shop = Guarded::new().await;
    for (role, binds) in [(Role::Customer, true), (Role::Operator, false)] {
        let token = shop.token(OWN, role);
        let answer = shop.call(&token, Method::POST, http::BASE, Some(&order_of(OWN))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let requests = shop.world.sent(Topic::InventoryReserve).await;
        assert_eq!(requests.last().unwrap()["enforcePrice"], binds, "{role:?}");
    }
}

#[tokio::test]
async fn the_timeline_names_who_asked() {
    let shop = Guarded::new().await;
    let token = shop.token(OWN, Role::Customer);
    let placed = shop.call(&token, Method::POST, http::BASE, Some(&order_of(OWN))).await;
    let id = placed.json["data"]["order"]["_id"].as_str().unwrap();
    let timeline = shop.get(&token, &format!("{}/{id}/timeline", http::BASE)).await;
    assert_eq!(timeline.json["data"]["steps"][0]["cause"]["subject"], OWN);
}
