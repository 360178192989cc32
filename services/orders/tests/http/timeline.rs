//! `GET …/timeline`: every step with its cause.

use holdfast_contract::Topic;
use serde_json::{Value, json};

use crate::support::{ReleaseOutcome, World, path, released, reserved};

async fn steps(world: &World, order: &Value) -> Vec<Value> {
    let response = world.client.get(&path(order, "/timeline")).send().await;
    assert_eq!(response.status, 200, "{}", response.json);
    let data = &response.json["data"];
    assert_eq!((&data["orderId"], &data["orderNumber"]), (&order["_id"], &order["orderNumber"]));
    let steps = data["steps"].as_array().unwrap().clone();
    assert_eq!(data["count"], json!(steps.len()));
    steps
}

#[tokio::test]
async fn every_step_says_when_why_and_what_it_sent() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.clock.advance(std::time::Duration::from_secs(1));
    world.answer(&placed, reserved(&placed)).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let request = world.client.patch(&path(&placed, "/cancel")).header("x-request-id", "my-request");
    request.send().await;
    world.answer(&placed, released(&placed, ReleaseOutcome::Released)).await;

    let steps = steps(&world, &placed).await;
    let kinds: Vec<&str> = steps.iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["order_placed", "stock_changed", "status_changed", "stock_changed"]);

    assert_eq!(steps[0]["cause"]["type"], "request");
    assert!(steps[0]["cause"]["requestId"].as_str().is_some_and(|id| !id.is_empty()));
    let sent = |step: &Value| {
        let types =
            step["events"].as_array().unwrap().iter().map(|e| e["eventType"].as_str().unwrap().to_owned());
        types.collect::<Vec<_>>()
    };
    assert_eq!(sent(&steps[0]), ["ORDER_CREATED", "STOCK_RESERVE_REQUEST"]);
    assert_eq!(steps[0]["events"][0]["topic"], "order.created");
    assert!(steps[0]["events"][0]["partition"].is_u64() && steps[0]["events"][0]["offset"] == 0);
    assert_eq!(steps[0]["live"][0]["event"], "order:created");
    assert!(steps[0]["live"][0]["seq"].as_str().unwrap().starts_with("order.live/"));
    assert_eq!(steps[0]["live"][0]["at"], "2026-01-01T00:00:00.000Z");

    assert_eq!(steps[1]["cause"]["type"], "event");
    assert_eq!(
        (&steps[1]["cause"]["topic"], &steps[1]["cause"]["offset"]),
        (&json!("inventory.reserved"), &json!(0))
    );
    assert_eq!((&steps[1]["stockStatus"], &steps[1]["status"]), (&json!("reserved"), &json!(1)));
    let movement = &steps[1]["movements"][0];
    // Unknown fields are refused there, so a field that is not documented fails here.
    serde_json::from_value::<holdfast_orders::http::schema::MovementBody>(movement.clone()).unwrap();
    assert_eq!(
        (&movement["kind"], &movement["reservedDelta"], &movement["productName"]),
        (&json!("reserved"), &json!(2), &json!("Test Product"))
    );
    assert_eq!(steps[1]["at"], "2026-01-01T00:00:01.000Z");

    assert_eq!(steps[2]["cause"], json!({"type": "request", "requestId": "my-request"}));
    assert_eq!(
        (&steps[2]["oldStatus"], &steps[2]["status"], &steps[2]["statusLabel"]),
        (&json!(1), &json!(5), &json!("Cancelled"))
    );
    assert_eq!(sent(&steps[2]), ["ORDER_STATUS_CHANGED", "ORDER_CANCELLED", "STOCK_RELEASE_REQUEST"]);
    let live: Vec<&str> =
        steps[2]["live"].as_array().unwrap().iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(live, ["order:status_changed", "order:cancelled"]);
    assert_eq!(steps[3]["version"], 4);
}

#[tokio::test]
async fn a_late_answer_is_noted_once_and_changes_nothing() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.set_status(&placed, 5).await;
    let cancelled = world.get(&placed).await;
    for _ in 0..3 {
        world.answer(&placed, reserved(&placed)).await;
    }
    assert_eq!(world.get(&placed).await, cancelled);
    let steps = steps(&world, &placed).await;
    let kinds: Vec<&str> = steps.iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["order_placed", "status_changed", "answer_noted"]);
    assert_eq!(steps[2]["movements"][0]["kind"], "reserved");
    assert_eq!(world.sent(Topic::OrderLive).await.len(), 3);
}
