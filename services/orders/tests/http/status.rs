//! Moving an order on (contract §2), and what goes out with it (contract §3).

use futures_util::future::join_all;
use holdfast_contract::Topic;
use serde_json::{Value, json};

use crate::support::{ReleaseOutcome, World, fulfilled, path, released};

#[tokio::test]
async fn an_order_is_delivered_step_by_step() {
    let world = World::new().await;
    let placed = world.reserved().await;
    assert_eq!(
        (&placed["status"], &placed["stockStatus"], &placed["version"]),
        (&json!(1), &json!("reserved"), &json!(2))
    );

    let response = world.set_status(&placed, "processing").await;
    assert_eq!(response.status, 200);
    let data = &response.json["data"];
    assert_eq!(
        [&data["oldStatus"], &data["oldStatusLabel"], &data["newStatus"], &data["newStatusLabel"]],
        [&json!(1), &json!("Pending"), &json!(2), &json!("Processing")]
    );
    assert_eq!(data["order"]["status"], 2);

    let request = world.client.patch(&path(&placed, "/status"));
    let shipped = request.json(&json!({"status": 3, "trackingNumber": "TRACK-1"})).send().await;
    let order = &shipped.json["data"]["order"];
    assert_eq!((&order["trackingNumber"], &order["stockStatus"]), (&json!("TRACK-1"), &json!("reserved")));
    assert!(order["shippedAt"].is_string());
    world.answer(&placed, fulfilled(&placed)).await;
    assert_eq!(world.get(&placed).await["stockStatus"], "fulfilled");

    let delivered = world.set_status(&placed, 4).await;
    assert!(delivered.json["data"]["order"]["deliveredAt"].is_string());
    assert_eq!(world.sent(Topic::OrderStatusChanged).await.len(), 3);
    assert_eq!(world.sent(Topic::OrderCompleted).await.len(), 1);
    let live: Vec<Value> = world.sent(Topic::OrderLive).await;
    let events: Vec<&str> = live.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "order:created",
            "order:updated",
            "order:status_changed",
            "order:status_changed",
            "order:updated",
            "order:status_changed",
            "order:completed"
        ]
    );
}

#[tokio::test]
async fn moves_that_are_not_allowed_are_refused_with_the_ones_that_are() {
    let world = World::new().await;
    let placed = world.placed().await;
    let early = world.set_status(&placed, 2).await;
    assert_eq!((early.status.as_u16(), early.code()), (422, "STOCK_NOT_RESERVED"));
    assert_eq!(early.json["details"], json!({"stockStatus": "pending"}));
    let skip = world.set_status(&placed, 4).await;
    assert_eq!((skip.status.as_u16(), skip.code()), (422, "INVALID_TRANSITION"));
    assert_eq!(skip.json["details"]["allowed"], json!([2, 5]));

    assert_eq!(world.set_status(&placed, 5).await.status, 200);
    for status in 1..=4 {
        assert_eq!(world.set_status(&placed, status).await.code(), "INVALID_TRANSITION");
    }
}

#[tokio::test]
async fn the_status_that_it_has_is_a_no_op() {
    let world = World::new().await;
    let placed = world.placed().await;
    let before = world.sent(Topic::OrderLive).await.len();
    for status in [json!(1), json!("pending"), json!("PENDING")] {
        let response = world.set_status(&placed, status).await;
        let data = &response.json["data"];
        assert_eq!(
            (response.status.as_u16(), &data["oldStatus"], &data["newStatus"]),
            (200, &json!(1), &json!(1))
        );
        assert_eq!(data["order"], placed);
    }
    assert_eq!(world.sent(Topic::OrderLive).await.len(), before);
}

#[tokio::test]
async fn cancelling_gives_back_what_is_held() {
    let world = World::new().await;
    let placed = world.reserved().await;
    let request = world.client.patch(&path(&placed, "/cancel")).json(&json!({"reason": "Changed my mind"}));
    let cancelled = request.send().await;
    let order = &cancelled.json["data"]["order"];
    assert_eq!(
        (&order["status"], &order["cancelReason"], &order["stockStatus"]),
        (&json!(5), &json!("Changed my mind"), &json!("reserved"))
    );
    let requests = world.sent(Topic::InventoryRelease).await;
    assert_eq!((requests.len(), &requests[0]["shipped"]), (1, &json!(false)));

    // Twice is once.
    let again = world.client.patch(&path(&placed, "/cancel")).send().await;
    assert_eq!((again.status.as_u16(), &again.json["data"]["order"]), (200, order));
    assert_eq!(world.sent(Topic::InventoryRelease).await.len(), 1);

    world.answer(&placed, released(&placed, ReleaseOutcome::Released)).await;
    assert_eq!(world.get(&placed).await["stockStatus"], "released");
}

#[tokio::test]
async fn cancelling_a_shipped_order_books_its_goods_back_in() {
    let world = World::new().await;
    let placed = world.reserved().await;
    for status in [2, 3, 5] {
        assert_eq!(world.set_status(&placed, status).await.status, 200);
    }
    assert_eq!(world.sent(Topic::InventoryRelease).await[0]["shipped"], true);
    world.answer(&placed, released(&placed, ReleaseOutcome::Returned)).await;
    let order = world.get(&placed).await;
    assert_eq!((&order["status"], &order["stockStatus"]), (&json!(5), &json!("returned")));
}

#[tokio::test]
async fn of_many_at_once_one_moves_the_order_and_the_others_find_it_moved() {
    let world = World::new().await;
    let placed = world.reserved().await;
    let answers = join_all((0..16).map(|n| {
        let status = if n % 2 == 0 { json!(5) } else { json!(2) };
        world.set_status(&placed, status)
    }))
    .await;
    let order = world.get(&placed).await;
    let moved: Vec<&Value> = answers
        .iter()
        .filter(|a| a.status == 200 && a.json["data"]["oldStatus"] != a.json["data"]["newStatus"])
        .map(|a| &a.json["data"]["newStatus"])
        .collect();
    // Either straight to 5, or 2 and then 5: never a move from a status that it no longer had.
    assert!(moved == [&json!(5)] || moved.len() == 2, "{moved:?}");
    assert_eq!(order["status"], 5);
    for answer in answers.iter().filter(|a| a.status != 200) {
        assert_eq!(answer.code(), "INVALID_TRANSITION");
    }
    let changed = world.sent(Topic::OrderStatusChanged).await;
    assert_eq!(changed.len(), moved.len());
    assert_eq!(order["version"], json!(2 + moved.len()));
    assert_eq!(world.sent(Topic::InventoryRelease).await.len(), 1);
}

#[tokio::test]
async fn statuses_are_described() {
    let world = World::new().await;
    let response = world.client.get("/api/v1/orders/statuses").send().await;
    let statuses = response.json["data"]["statuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 5);
    assert_eq!(
        statuses[4],
        json!({"code": 5, "name": "cancelled", "label": "Cancelled", "color": "#ef4444", "next": []})
    );
}
