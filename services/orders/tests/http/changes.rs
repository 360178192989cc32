//! Creating, reading, editing, deleting.

use futures_util::future::join_all;
use holdfast_contract::Topic;
use holdfast_orders::http::BASE;
use holdfast_orders::http::schema::OrderBody;
use serde_json::{Value, json};

use crate::support::{World, order, path, rejected};

#[tokio::test]
async fn the_quick_starts_order_is_taken() {
    let world = World::new().await;
    let response = world.client.post(BASE).json(&order()).send().await;
    assert_eq!(response.status, 201);
    assert_eq!(
        (&response.json["success"], &response.json["message"]),
        (&json!(true), &json!("Order created"))
    );
    let order = &response.json["data"]["order"];
    let id = order["_id"].as_str().unwrap();
    let number = order["orderNumber"].as_str().unwrap();
    assert!(
        id.len() == 24
            && number.starts_with("ORD-")
            && order["reservationId"].as_str().unwrap().starts_with("RSV-")
    );
    let mut rest = order.clone();
    for made in ["_id", "orderNumber", "reservationId"] {
        rest.as_object_mut().unwrap().remove(made);
    }
    let at = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        rest,
        json!({
            "userId": "test-user-123",
            "items": [{"lineId": 1, "productId": "64f0c2a1b2c3d4e5f6a7b8c9", "productName": "Test Product",
                "quantity": 2, "price": 29.99}],
            "totalAmount": 59.98, "currency": "USD", "status": 1, "statusLabel": "Pending", "stockStatus": "pending",
            "shippingAddress": {"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345",
                "country": "USA"},
            "paymentMethod": "credit_card", "paymentStatus": "pending", "createdAt": at, "updatedAt": at,
            "metadata": {}, "version": 1
        })
    );
    for name in [id.to_owned(), id.to_uppercase(), number.to_owned(), number.to_lowercase()] {
        let found = world.client.get(&format!("{BASE}/{name}")).send().await;
        assert_eq!((found.status.as_u16(), &found.json["data"]["order"]), (200, order));
        assert_eq!(found.header("etag"), Some("\"1\""));
    }

    let requests = world.sent(Topic::InventoryReserve).await;
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (&requests[0]["orderNumber"], &requests[0]["lines"][0]["unitPrice"]),
        (&json!(number), &json!(29.99))
    );
    assert_eq!(requests[0]["enforcePrice"], false);
    assert_eq!(world.sent(Topic::OrderCreated).await.len(), 1);
    let live = world.sent(Topic::OrderLive).await;
    assert_eq!((live.len(), &live[0]["event"], &live[0]["order"]), (1, &json!("order:created"), order));
}

#[tokio::test]
async fn everything_that_may_be_sent_is_taken() {
    let world = World::new().await;
    let mut body = order();
    body["metadata"] = json!({"gift": true, "tags": ["a", {"b": null}]});
    body["paymentMethod"] = json!("7");
    // The same product twice, and amounts without needless decimals.
    let line = |quantity: u32, price: Value| {
        json!({"productId": "64f0c2a1b2c3d4e5f6a7b8c9", "productName": "Zoë's \"Ünit\"",
        "quantity": quantity, "price": price})
    };
    body["items"] = json!([line(1, json!(10)), line(3, json!(0.1)), line(1, json!(0))]);
    body["totalAmount"] = json!(10.3);
    let response = world.client.post("/api/v1/orders/").json(&body).send().await;
    let order = &response.json["data"]["order"];
    assert_eq!(response.status, 201, "{}", response.json);
    assert_eq!((&order["metadata"], &order["paymentMethod"]), (&body["metadata"], &json!("stripe")));
    assert_eq!((&order["totalAmount"], &order["items"][2]["lineId"]), (&json!(10.3), &json!(3)));
    assert_eq!(order["items"][0]["productName"], "Zoë's \"Ünit\"");

    let lines: Vec<Value> = (0..200).map(|_| line(1_000_000, json!(0.01))).collect();
    body["items"] = json!(lines);
    body["totalAmount"] = json!(2_000_000);
    assert_eq!(world.client.post(BASE).json(&body).send().await.status, 201);
}

#[tokio::test]
async fn answers_are_as_they_are_documented() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.answer(&placed, rejected(&placed)).await;
    let shipped = world.reserved().await;
    for status in [2, 3, 4] {
        world.set_status(&shipped, status).await;
    }
    let list = world.client.get(BASE).send().await;
    // Unknown fields are refused there, so a field that is not documented fails here.
    let documented: holdfast_orders::http::schema::OrderList = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(documented.data.count, 2);
    let orders: Vec<&OrderBody> = documented.data.orders.iter().collect();
    assert!(orders[0].delivered_at.is_some() && orders[1].shortages.as_ref().is_some_and(|s| s.len() == 2));
}

#[tokio::test]
async fn an_edit_needs_the_version_that_it_was_made_for() {
    let world = World::new().await;
    let placed = world.placed().await;
    let put = |header: Option<&str>, body: Value| {
        let mut request = world.client.put(&path(&placed, ""));
        if let Some(value) = header {
            request = request.header("if-match", value);
        }
        request.json(&body).send()
    };
    let mut address = placed["shippingAddress"].clone();
    address["city"] = json!("Elsewhere");
    let edited = put(Some("\"1\""), json!({"shippingAddress": address})).await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, Some("\"2\"")));
    assert_eq!(edited.json["data"]["order"]["shippingAddress"], address);
    assert_eq!(world.sent(Topic::OrderLive).await.last().unwrap()["event"], "order:updated");

    for stale in [
        put(Some("\"1\""), json!({"metadata": {"a": 1}})).await,
        put(None, json!({"metadata": {"a": 1}, "version": 1})).await,
    ] {
        assert_eq!((stale.status.as_u16(), stale.code()), (412, "VERSION_CONFLICT"));
        assert_eq!(stale.json["details"], json!({"expected": 1, "current": 2}));
    }
    assert_eq!(put(Some("\"2\""), json!({"metadata": {}, "version": 1})).await.status, 400);
    assert_eq!(put(None, json!({"metadata": {"a": 1}, "version": 2})).await.header("etag"), Some("\"3\""));
    // The same again changes nothing.
    assert_eq!(put(None, json!({"metadata": {"a": 1}})).await.header("etag"), Some("\"3\""));

    world.set_status(&placed, 5).await;
    let late = put(None, json!({"shippingAddress": placed["shippingAddress"]})).await;
    assert_eq!((late.status.as_u16(), late.code()), (422, "INVALID_TRANSITION"));
    assert_eq!(put(None, json!({"metadata": {"a": 2}})).await.status, 200);
}

#[tokio::test]
async fn edits_without_a_version_never_overwrite_silently_what_they_do_not_name() {
    let world = World::new().await;
    let placed = world.placed().await;
    let mut address = placed["shippingAddress"].clone();
    address["city"] = json!("Elsewhere");
    let target = path(&placed, "");
    let answers = join_all((0..12).map(|n| {
        let body =
            if n % 2 == 0 { json!({"shippingAddress": address}) } else { json!({"metadata": {"n": n}}) };
        world.client.put(&target).json(&body).send()
    }))
    .await;
    assert!(answers.iter().all(|a| a.status == 200));
    let order = world.get(&placed).await;
    assert_eq!(order["shippingAddress"], address);
    assert!(order["metadata"]["n"].is_u64());
}

#[tokio::test]
async fn with_a_version_one_of_many_wins() {
    let world = World::new().await;
    let placed = world.placed().await;
    let target = path(&placed, "");
    let answers = join_all((0..8).map(|n| {
        let body = json!({"metadata": {"n": n}, "version": 1});
        world.client.put(&target).json(&body).send()
    }))
    .await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert!(answers.iter().all(|a| a.status == 200 || a.code() == "VERSION_CONFLICT"));
    assert_eq!(world.get(&placed).await["version"], 2);
}

#[tokio::test]
async fn a_deleted_order_is_cancelled_first_and_then_gone() {
    let world = World::new().await;
    let placed = world.reserved().await;
    let deleted = world.client.delete(&path(&placed, "")).send().await;
    assert_eq!(deleted.status, 200);
    assert_eq!(
        deleted.json["data"],
        json!({"_id": placed["_id"], "orderNumber": placed["orderNumber"], "cancelled": true})
    );
    for rest in ["", "/timeline"] {
        assert_eq!(world.client.get(&path(&placed, rest)).send().await.code(), "ORDER_NOT_FOUND");
    }
    assert_eq!(world.set_status(&placed, 5).await.code(), "ORDER_NOT_FOUND");
    assert_eq!(world.client.delete(&path(&placed, "")).send().await.code(), "ORDER_NOT_FOUND");
    assert_eq!(world.client.get(BASE).send().await.json["meta"]["total"], 0);
    // Live clients hear that it is gone, with the last message about it.
    let live = world.sent(Topic::OrderLive).await;
    let deleted: Vec<_> = live.iter().map(|m| (m["event"].as_str().unwrap(), m.get("deleted"))).collect();
    assert_eq!(deleted.last(), Some(&("order:updated", Some(&json!(true)))));
    assert_eq!(deleted.iter().filter(|(_, deleted)| deleted.is_some()).count(), 1);
    // What it held is given back, and its record stays.
    assert_eq!(world.sent(Topic::InventoryRelease).await.len(), 1);
    assert_eq!(world.sent(Topic::OrderCancelled).await.len(), 1);
}

#[tokio::test]
async fn shipped_and_delivered_orders_stay() {
    let world = World::new().await;
    let placed = world.reserved().await;
    world.set_status(&placed, 2).await;
    for status in [3, 4] {
        assert_eq!(world.set_status(&placed, status).await.status, 200);
        let refused = world.client.delete(&path(&placed, "")).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "ORDER_NOT_DELETABLE"));
    }
    assert_eq!(world.get(&placed).await["status"], 4);
}
