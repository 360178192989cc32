//! A customer may have so many orders that hold stock, or wait for it.

use axum::http::{HeaderMap, HeaderValue};
use futures_util::future::join_all;
use holdfast_contract::Currency;
use holdfast_contract::canonical::fingerprint;
use holdfast_orders::http::read_order;
use holdfast_orders::usecase::{Answer, Asked, PlaceError, UseCases};
use holdfast_service::http::idempotency::IDEMPOTENCY_KEY;
use holdfast_service::http::{Caller, IdempotencyKey, IdempotencyScope, Role};
use serde_json::json;

use crate::support::{World, order, path};

async fn place(cases: &UseCases, role: Role, key: Option<&str>) -> Result<Answer, PlaceError> {
    let caller = Caller::new("test-user-123", role);
    let body = order().to_string();
    let once = key.map(|key| {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap());
        let key = IdempotencyKey::from_headers(&headers).unwrap().unwrap();
        let scope = IdempotencyScope::new(caller.subject(), "POST /", &key);
        cases.once(scope, fingerprint(body.as_bytes()).unwrap()).unwrap()
    });
    let draft = read_order(body.as_bytes(), Currency::USD).unwrap();
    let asked = Asked { caller, request_id: "r".to_owned(), traceparent: None, once };
    cases.place(draft, &asked, 201, <[u8]>::to_vec).await
}

/// Whether there were too many; any other failure is one of the test.
fn refused(answer: Result<Answer, PlaceError>) -> bool {
    match answer {
        Ok(_) => false,
        Err(PlaceError::TooManyOpen(_)) => true,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_customer_who_has_as_many_open_orders_as_may_be_waits_until_one_is_over() {
    let world = World::with_open_orders(Some(2)).await;
    let customer = async |key| place(&world.cases, Role::Customer, key).await;
    let first = customer(Some("k1")).await.unwrap();
    assert!(!refused(customer(None).await) && refused(customer(None).await));
    // What was answered is answered again, and whoever works for the shop has no limit.
    assert_eq!(customer(Some("k1")).await.unwrap().body, first.body);
    assert!(!refused(place(&world.cases, Role::Operator, None).await));
    // Somebody else is not in the way.
    world.placed_by("another").await;
    let response = world.client.get(holdfast_orders::http::BASE).send().await;
    let mine: Vec<_> = response.json["data"]["orders"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|o| o["userId"] == "test-user-123")
        .collect();
    assert_eq!(mine.len(), 3);
    // Three are open: with two of them over, there is room for one.
    for order in mine.into_iter().take(2) {
        assert!(refused(customer(None).await));
        assert_eq!(world.client.patch(&path(order, "/cancel")).json(&json!({})).send().await.status, 200);
    }
    assert!(!refused(customer(None).await) && refused(customer(None).await));
}

#[tokio::test]
async fn a_crowd_of_orders_at_once_is_not_more() {
    let world = World::with_open_orders(Some(5)).await;
    let crowd = join_all((0..40).map(|_| place(&world.cases, Role::Customer, None))).await;
    let taken = crowd.into_iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=5).contains(&taken), "{taken}");
}
