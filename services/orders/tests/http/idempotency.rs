//! `Idempotency-Key` (contract §2).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use holdfast_contract::Topic;
use holdfast_orders::http::BASE;
use holdfast_orders::store::Idempotency;
use holdfast_service::Clock;
use holdfast_service::http::idempotency::IDEMPOTENCY_KEY;
use holdfast_service::http::{Caller, IdempotencyKey, IdempotencyScope};
use holdfast_service::test_support::TestResponse;
use serde_json::{Value, json};

use crate::support::{World, order, path, reserved};

async fn post(world: &World, key: &str, body: &Value) -> TestResponse {
    world.client.post(BASE).header("idempotency-key", key).json(body).send().await
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer() {
    let world = World::new().await;
    let first = post(&world, "k1", &order()).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("idempotency-replayed"), None);

    // Compared on canonical JSON: another order of fields and another spelling of numbers are the same body.
    let text = order().to_string().replace("59.98", "5.998e1");
    let request =
        world.client.post(BASE).header("idempotency-key", "k1").header("content-type", "application/json");
    let again = request.raw(format!("  {text} ")).send().await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));

    // Whatever happens to the order.
    let placed = &first.json["data"]["order"];
    assert_eq!(world.client.delete(&path(placed, "")).send().await.status, 200);
    assert_eq!(post(&world, "k1", &order()).await.body, first.body);
    assert_eq!(world.sent(Topic::OrderCreated).await.len(), 1);
}

#[tokio::test]
async fn another_body_or_another_route_is_another_request() {
    let world = World::new().await;
    let first = post(&world, "k1", &order()).await;
    let mut other = order();
    other["userId"] = json!("somebody-else");
    let reused = post(&world, "k1", &other).await;
    assert_eq!((reused.status.as_u16(), reused.code()), (422, "IDEMPOTENCY_KEY_REUSED"));

    // The same key on another route is free, and so is another key here.
    let placed = &first.json["data"]["order"];
    let cancel = world.client.patch(&path(placed, "/cancel")).header("idempotency-key", "k1").send().await;
    assert_eq!(cancel.status, 200);
    assert_eq!(cancel.header("idempotency-replayed"), None);
    assert_eq!(post(&world, "k2", &other).await.status, 201);
    assert_eq!(world.sent(Topic::OrderCreated).await.len(), 2);
}

#[tokio::test]
async fn eight_at_once_make_one_order() {
    let world = World::new().await;
    let body = order();
    let answers = futures_util::future::join_all((0..8).map(|_| post(&world, "k1", &body))).await;
    let mut created = 0;
    for answer in &answers {
        match answer.status.as_u16() {
            201 if answer.header("idempotency-replayed").is_none() => created += 1,
            201 => {}
            409 => {
                assert_eq!(answer.code(), "IDEMPOTENCY_IN_PROGRESS");
                assert!(answer.header("retry-after").is_some());
            }
            _ => panic!("{}", answer.json),
        }
    }
    assert_eq!(created, 1);
    assert_eq!(world.client.get(BASE).send().await.json["meta"]["total"], 1);
    // "Running" is over with the request that ran.
    assert_eq!(post(&world, "k1", &body).await.status, 201);
}

#[tokio::test]
async fn while_the_first_runs_the_second_is_told_to_come_back() {
    let world = World::new().await;
    let headers =
        HeaderMap::from_iter([(HeaderName::from_static(IDEMPOTENCY_KEY), HeaderValue::from_static("k1"))]);
    let key = IdempotencyKey::from_headers(&headers).unwrap().unwrap();
    let scope = IdempotencyScope::new(Caller::open().subject(), "POST /api/v1/orders", &key);
    let first = world.cases.once(scope, [0; 32]).unwrap();
    let second = post(&world, "k1", &order()).await;
    assert_eq!((second.status.as_u16(), second.code()), (409, "IDEMPOTENCY_IN_PROGRESS"));
    assert_eq!((second.header("retry-after"), &second.json["retryAfter"]), (Some("1"), &json!(1)));
    assert_eq!(post(&world, "k2", &order()).await.status, 201);
    drop(first);
    assert_eq!(post(&world, "k1", &order()).await.status, 201);
}

/// What the body alone decides needs no memory: the same body is refused again, and a corrected one may have the key.
#[tokio::test]
async fn what_is_wrong_with_the_body_is_not_stored() {
    let world = World::new().await;
    let mut wrong = order();
    wrong["totalAmount"] = json!(1);
    for _ in 0..2 {
        let refused = post(&world, "k1", &wrong).await;
        assert_eq!((refused.code(), refused.header("idempotency-replayed")), ("TOTAL_MISMATCH", None));
    }
    assert_eq!(post(&world, "k1", &order()).await.status, 201);
}

/// A client that lost the answer must get the same one, also if the order would allow it by now.
#[tokio::test]
async fn what_the_orders_state_refused_stays_refused() {
    let world = World::new().await;
    let placed = world.placed().await;
    let advance = |key: &'static str| {
        let request = world.client.patch(&path(&placed, "/status")).header("idempotency-key", key);
        request.json(&json!({"status": 2})).send()
    };
    let first = advance("k1").await;
    assert_eq!((first.code(), first.header("idempotency-replayed")), ("STOCK_NOT_RESERVED", None));
    world.answer(&placed, reserved(&placed)).await;
    let again = advance("k1").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(advance("k2").await.status, 200);

    // Another version, and no order at all.
    let edit = |metadata: Value, key: &'static str| {
        let request = world.client.put(&path(&placed, "")).header("idempotency-key", key);
        request.header("if-match", "\"1\"").json(&json!({ "metadata": metadata })).send()
    };
    let conflict = edit(json!({"a": 1}), "k1").await;
    assert_eq!((conflict.code(), conflict.header("etag")), ("VERSION_CONFLICT", None));
    assert_eq!(world.client.delete(&path(&placed, "")).send().await.status, 200);
    let again = edit(json!({"a": 1}), "k1").await;
    assert_eq!((again.status.as_u16(), &again.body), (412, &conflict.body), "not 404");
    assert_eq!(edit(json!({"a": 2}), "k1").await.code(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(edit(json!({"a": 2}), "k2").await.code(), "ORDER_NOT_FOUND");
    assert_eq!(edit(json!({"a": 2}), "k2").await.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn a_change_is_made_once_and_its_answer_stays() {
    let world = World::new().await;
    let placed = world.reserved().await;
    let advance = |status: u8, key: &'static str| {
        let request = world.client.patch(&path(&placed, "/status")).header("idempotency-key", key);
        request.json(&json!({ "status": status })).send()
    };
    let first = advance(2, "k1").await;
    assert_eq!(advance(3, "k2").await.status, 200);
    // By now 3→2 would be refused, but this is the first request again.
    let again = advance(2, "k1").await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &first.body));
    assert_eq!(world.get(&placed).await["status"], 3);

    // A no-op's answer stays as well, also for the other name of the order.
    let number = placed["orderNumber"].as_str().unwrap();
    let noop = advance(3, "k3").await;
    let request = world.client.patch(&format!("{BASE}/{number}/status")).header("idempotency-key", "k3");
    let again = request.json(&json!({"status": 3})).send().await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &noop.body));
}

#[tokio::test]
async fn a_deletion_can_be_repeated_with_its_key_only() {
    let world = World::new().await;
    let placed = world.placed().await;
    let delete = || world.client.delete(&path(&placed, "")).header("idempotency-key", "k1").send();
    let first = delete().await;
    assert_eq!(first.status, 200);
    assert_eq!(delete().await.body, first.body);
    assert_eq!(world.client.delete(&path(&placed, "")).send().await.code(), "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn an_edit_replays_with_its_own_version() {
    let world = World::new().await;
    let placed = world.placed().await;
    let edit = |metadata: Value, key: &'static str| {
        let request = world.client.put(&path(&placed, "")).header("idempotency-key", key);
        request.json(&json!({ "metadata": metadata })).send()
    };
    assert_eq!(edit(json!({"a": 1}), "k1").await.header("etag"), Some("\"2\""));
    assert_eq!(edit(json!({"a": 2}), "k2").await.header("etag"), Some("\"3\""));
    let again = edit(json!({"a": 1}), "k1").await;
    assert_eq!((again.header("etag"), again.header("idempotency-replayed")), (Some("\"2\""), Some("true")));
}

#[tokio::test]
async fn a_key_is_free_again_once_its_answer_is_forgotten() {
    let world = World::new().await;
    assert_eq!(post(&world, "k1", &order()).await.status, 201);
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(world.store.purge(world.clock.now()).await.unwrap(), 1);
    let again = post(&world, "k1", &order()).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, None));
    assert_eq!(world.sent(Topic::OrderCreated).await.len(), 2);
}
