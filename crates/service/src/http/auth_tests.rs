//! What the layer answers before a request is read.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::{any, get};

use super::{Caller, HttpOptions, RateLimits, Role, finish};
use crate::auth::test_support::{access, token};
use crate::auth::{Access, Rule};
use crate::clock::ManualClock;
use crate::config::RateArgs;
use crate::test_support::{TestClient, TestResponse};

const RULES: &[Rule] = &[
    Rule::public("GET", "/open"),
    Rule::public("GET", "/careless"),
    Rule::public("*", "/hands-on/{*rest}"),
    Rule::new("GET", "/who/{id}", &Role::ALL),
    Rule::new("POST", "/who/{id}", &[Role::Admin]),
];

fn router() -> Router {
    let who = async |caller: Caller| format!("{} {}", caller.subject(), caller.role().name());
    Router::new()
        .route("/open", get(async || "open"))
        .route("/careless", get(who))
        .route("/forgotten", get(async || "open by mistake"))
        .route("/hands-on/{*rest}", any(async || "on"))
        .route("/who/{id}", get(who).post(who).put(who))
}

fn client(access: Access) -> TestClient {
    TestClient::new(finish(router(), HttpOptions { access, ..HttpOptions::default() }))
}

async fn call(client: &TestClient, method: Method, path: &str, token: &str) -> TestResponse {
    client.request(method, path).header("authorization", &format!("Bearer {token}")).send().await
}

#[tokio::test]
async fn a_customer_who_asks_too_often_is_told_when_to_come_again() {
    let clock = ManualClock::default();
    let access = access(Arc::new(clock.clone()), &[RULES]);
    let args = RateArgs { rate_limit_per_second: 1, rate_limit_burst: 2, ..RateArgs::default() };
    let options = HttpOptions { access, rates: RateLimits::from_args(&args), ..HttpOptions::default() };
    let client = TestClient::new(finish(router(), options));
    let [ada, bob] = ["ada", "bob"].map(|name| token(&clock, name, Role::Customer));
    for _ in 0..2 {
        assert_eq!(call(&client, Method::GET, "/who/7", &ada).await.status, 200);
    }
    let refused = call(&client, Method::GET, "/who/7", &ada).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(call(&client, Method::GET, "/who/7", &bob).await.status, 200);
    assert_eq!(call(&client, Method::GET, "/open", &ada).await.status, 200);
}

#[tokio::test]
async fn the_table_says_who_may_call_what() {
    let clock = ManualClock::default();
    let client = client(access(Arc::new(clock.clone()), &[RULES]));
    let [admin, customer] = [Role::Admin, Role::Customer].map(|role| token(&clock, "ada", role));
    let who = call(&client, Method::GET, "/who/7", &customer).await;
    assert_eq!((who.status.as_u16(), who.text().as_str()), (200, "ada customer"));
    assert_eq!(call(&client, Method::HEAD, "/who/7", &customer).await.status, 200);
    assert_eq!(call(&client, Method::POST, "/who/7", &admin).await.status, 200);
    for (method, path, token) in [
        (Method::POST, "/who/7", &customer),
        // Not in the table: nobody, whatever the role.
        (Method::GET, "/forgotten", &admin),
    ] {
        let refused = call(&client, method.clone(), path, token).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN"), "{method} {path}");
        assert_eq!(refused.header("www-authenticate"), None);
    }
    assert_eq!(client.get("/nowhere").send().await.code(), "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn a_method_that_the_table_does_not_have_is_not_done_and_the_others_are_told() {
    let clock = ManualClock::default();
    let client = client(access(Arc::new(clock.clone()), &[RULES]));
    let customer = token(&clock, "ada", Role::Customer);
    // The router has this one.
    let put = call(&client, Method::PUT, "/who/7", &customer).await;
    assert_eq!((put.status.as_u16(), put.code()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(put.header("allow"), Some("GET,HEAD,POST"));
    assert_eq!(
        client.put("/who/7").send().await.status,
        401,
        "what is not public is for those who are known"
    );
    let open = client.put("/open").send().await;
    assert_eq!((open.status.as_u16(), open.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn without_a_token_only_what_is_public_answers() {
    let client = client(access(Arc::new(ManualClock::default()), &[RULES]));
    assert_eq!(client.get("/open").send().await.text(), "open");
    assert_eq!(client.put("/hands-on/a/b").send().await.text(), "on");
    for path in ["/who/7", "/forgotten"] {
        let refused = client.get(path).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, "UNAUTHENTICATED"), "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"holdfast\""));
        assert!(refused.json["requestId"].is_string(), "{}", refused.text());
    }
    // A public route that asks for its caller does not get an admin.
    assert_eq!(client.get("/careless").send().await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn bad_tokens_are_told_from_none() {
    let clock = ManualClock::default();
    let client = client(access(Arc::new(clock.clone()), &[RULES]));
    let good = token(&clock, "ada", Role::Customer);
    for (header, challenge) in [
        ("Bearer x.y.z", "Bearer realm=\"holdfast\", error=\"invalid_token\""),
        ("Bearer", "Bearer realm=\"holdfast\", error=\"invalid_token\""),
        ("Basic YWRhOmFkYQ==", "Bearer realm=\"holdfast\""),
        (&format!("Token {good}"), "Bearer realm=\"holdfast\""),
    ] {
        let refused = client.get("/who/7").header("authorization", header).send().await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("www-authenticate")),
            (401, Some(challenge)),
            "{header}"
        );
    }
    let twice = client.get("/who/7").header("authorization", &format!("Bearer {good}"));
    assert_eq!(twice.header("authorization", "Bearer x").send().await.status, 401);
    let lower = client.get("/who/7").header("authorization", &format!("bearer {good}")).send().await;
    assert_eq!(lower.status, 200);
    clock.advance(std::time::Duration::from_secs(3610));
    let expired = call(&client, Method::GET, "/who/7", &good).await;
    assert_eq!(
        (expired.status.as_u16(), &*expired.json["message"].to_string()),
        (401, "\"The token has expired\"")
    );
}

#[tokio::test]
async fn with_open_access_everybody_is_an_admin() {
    let client = client(Access::Open);
    assert_eq!(client.get("/who/7").send().await.text(), "everybody admin");
    assert_eq!(call(&client, Method::PUT, "/who/7", "nonsense").await.text(), "everybody admin");
}
