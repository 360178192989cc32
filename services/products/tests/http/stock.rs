//! Reserving, releasing and correcting stock over HTTP.

use axum::http::Method;
use futures_util::future::join_all;
use holdfast_contract::OrderNumber;
use serde_json::{Value, json};

use crate::support::{PRODUCTS, Shop, order};

#[tokio::test]
async fn invariant_1_64_at_once_share_10_and_never_oversell() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let orders: Vec<String> = (0..64).map(|n| format!("till-{n}")).collect();
    let answers = join_all(orders.iter().map(|order| shop.reserve(&id, order, 1))).await;
    let held: Vec<i64> = answers
        .iter()
        .filter(|a| a.status == 200)
        .map(|a| a.json["data"]["newStock"].as_i64().unwrap())
        .collect();
    assert_eq!(held, (0..10).rev().collect::<Vec<_>>(), "ten got one each, and stock fell one by one");
    for refused in answers.iter().filter(|a| a.status != 200) {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "INSUFFICIENT_STOCK"));
        assert_eq!(refused.json["details"], json!({"requested": 1, "available": 0}));
    }
    assert_eq!(shop.balances(&id).await, (0, 10, 10));
    assert!(!shop.show(&id).await["inStock"].as_bool().unwrap());
}

#[tokio::test]
async fn a_reservation_is_idempotent_per_order_and_product() {
    let shop = Shop::open();
    let (id, other) = (shop.product("Test Product", 50).await, shop.product("Kettle", 5).await);
    let first = shop.reserve(&id, "till-7", 2).await;
    assert_eq!(first.status, 200);
    assert_eq!(
        first.json["data"],
        json!({"productId": id, "productName": "Test Product", "reservedQuantity": 2, "newStock": 48, "orderId": "till-7"})
    );
    assert_eq!(first.json["message"], "Reserved 2 units of Test Product (new stock: 48)");
    let one = shop.product("Lamp", 5).await;
    assert_eq!(
        shop.reserve(&one, "till-7", 1).await.json["message"],
        "Reserved 1 unit of Lamp (new stock: 4)"
    );
    assert_eq!(shop.reserve(&id, "till-8", 3).await.json["data"]["newStock"], 45);
    assert_eq!(shop.reserve(&id, "till-7", 2).await.json, first.json, "the same again answers the same");
    assert_eq!(shop.reserve(&id, "till-7", 3).await.code(), "RESERVATION_MISMATCH");
    assert_eq!(shop.reserve(&other, "till-7", 5).await.status, 200, "another product is another reservation");
    assert_eq!(shop.balances(&id).await, (45, 5, 50));

    assert_eq!(shop.release(&id, "till-7", 1).await.code(), "RESERVATION_MISMATCH");
    let released = shop.release(&id, "till-7", 2).await;
    assert_eq!(
        released.json["data"],
        json!({"productId": id, "productName": "Test Product", "releasedQuantity": 2, "newStock": 47, "orderId": "till-7"})
    );
    assert_eq!(shop.release(&id, "till-7", 2).await.status, 200);
    assert_eq!(shop.reserve(&id, "till-7", 2).await.code(), "ALREADY_RELEASED");
    assert_eq!(shop.balances(&id).await, (47, 3, 50));
}

#[tokio::test]
async fn invariant_5_releasing_what_is_not_held_changes_no_stock() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let released = shop.release(&id, "nobody", 4).await;
    assert_eq!((released.status.as_u16(), &released.json["data"]["releasedQuantity"]), (200, &json!(0)));
    assert_eq!(released.json["data"]["newStock"], 10);
    assert_eq!(shop.balances(&id).await, (10, 0, 10));
    let late = shop.reserve(&id, "nobody", 4).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "ALREADY_RELEASED"), "the release wins");
}

#[tokio::test]
async fn an_inactive_product_is_not_reserved() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let off = shop.client.put(&format!("{PRODUCTS}/{id}")).json(&json!({"isActive": false})).send().await;
    assert_eq!(off.status, 200);
    assert_eq!(shop.reserve(&id, "till-1", 1).await.code(), "PRODUCT_INACTIVE");
    assert_eq!(shop.balances(&id).await, (10, 0, 10));
}

#[tokio::test]
async fn an_order_s_own_hold_is_not_touched_over_http() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    shop.reserve_by_event(order(7), &id, 4).await;
    assert_eq!(shop.balances(&id).await, (6, 4, 10));
    for name in [order(7).to_string(), OrderNumber::from(order(7)).to_string()] {
        for response in [shop.reserve(&id, &name, 4).await, shop.release(&id, &name, 4).await] {
            assert_eq!((response.status.as_u16(), response.code()), (409, "HOLD_OWNED_BY_ORDER"), "{name}");
        }
    }
    assert_eq!(shop.balances(&id).await, (6, 4, 10));

    // The other way round: the order that comes by event after a hold over HTTP gets nothing.
    assert_eq!(shop.reserve(&id, &order(8).to_string(), 1).await.status, 200);
    shop.reserve_by_event(order(8), &id, 1).await;
    assert_eq!(shop.balances(&id).await, (5, 5, 10));
}

#[tokio::test]
async fn an_adjustment_takes_effect_once() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let first = shop.adjust(&id, "key-1", -3).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (200, None));
    assert_eq!(first.json["data"]["product"]["stock"], 7);
    assert_eq!(first.json["message"], "Adjusted Test Product by -3 (new stock: 7)");
    let again = shop.adjust(&id, "key-1", -3).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(again.body, first.body);
    let other = shop.adjust(&id, "key-1", -4).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(shop.adjust(&id, "key-2", 5).await.json["data"]["product"]["onHand"], 12);
    assert_eq!(shop.balances(&id).await, (12, 0, 12));

    // The same key of another product is another key, and one request sent many times at once is done once.
    let kettle = shop.product("Kettle", 10).await;
    let answers = join_all((0..16).map(|_| shop.adjust(&kettle, "key-1", -3))).await;
    assert!(answers.iter().all(|a| a.status == 200 && a.body == answers[0].body));
    assert_eq!(answers.iter().filter(|a| a.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(shop.balances(&kettle).await, (7, 0, 7));
}

/// Whatever a call does: with a key its answer stays, a refusal as well as a success, and `ETag` with it.
#[tokio::test]
async fn every_changing_call_keeps_its_answer_under_a_key() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 1).await;
    let path = format!("{PRODUCTS}/{id}");
    let held = json!({"quantity": 2, "orderId": "till-1"});
    let calls: [(Method, String, Value); 5] = [
        (Method::POST, format!("{path}/reserve"), held.clone()),
        (Method::POST, format!("{path}/release"), json!({"quantity": 1, "orderId": "till-2"})),
        (Method::PUT, path.clone(), json!({"price": 2, "version": 1})),
        (Method::PUT, path.clone(), json!({"price": 3, "version": 1})),
        (Method::DELETE, path.clone(), Value::Null),
    ];
    let mut first = Vec::new();
    for replayed in [None, Some("true")] {
        for (n, (method, path, body)) in calls.iter().enumerate() {
            let request =
                shop.client.request(method.clone(), path).header("idempotency-key", &format!("k{n}"));
            let request = if body.is_null() { request } else { request.json(body) };
            let answer = request.send().await;
            assert_eq!(answer.header("idempotency-replayed"), replayed, "{method} {path}: {}", answer.text());
            let told =
                (answer.status.as_u16(), answer.body.clone(), answer.header("etag").map(str::to_owned));
            match replayed {
                None => first.push(told),
                Some(_) => assert_eq!(told, first[n], "{method} {path}"),
            }
        }
    }
    assert_eq!(first.iter().map(|(status, ..)| *status).collect::<Vec<_>>(), [409, 200, 200, 412, 200]);
    assert_eq!(first[2].2.as_deref(), Some("\"2\""));
    let other = json!({"quantity": 1, "orderId": "till-1"});
    let reused = shop.post(&format!("/{id}/reserve"), &other).header("idempotency-key", "k0").send().await;
    assert_eq!((reused.status.as_u16(), reused.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
}

#[tokio::test]
async fn an_adjustment_never_takes_what_is_held() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    shop.reserve(&id, "till-1", 3).await;
    shop.reserve_by_event(order(9), &id, 4).await;
    let refused = shop.adjust(&id, "key-1", -4).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "STOCK_HELD"));
    let details = &refused.json["details"];
    assert_eq!((&details["reserved"], &details["remaining"]), (&json!(7), &json!(6)));
    let orders: Vec<&str> =
        details["holds"].as_array().unwrap().iter().map(|h| h["orderId"].as_str().unwrap()).collect();
    assert_eq!(orders, ["till-1", &order(9).to_string()]);
    assert_eq!(shop.balances(&id).await, (3, 7, 10));
    let again = shop.adjust(&id, "key-1", -4).await;
    assert_eq!((again.body, again.headers.get("idempotency-replayed").is_some()), (refused.body, true));
    assert_eq!(shop.adjust(&id, "key-2", -3).await.status, 200);
    assert_eq!(shop.balances(&id).await, (0, 7, 7));
}
