//! Nothing accepted is lost (invariant 3): what waits too long is asked for again.

use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::Topic;
use holdfast_orders::recovery::{Backlog, Redecide};
use holdfast_service::Steps;
use holdfast_storage::{Inbox, StoreError};
use serde_json::json;

use crate::support::{ReleaseOutcome, World, fulfilled, rejected, released, reserved};

const AFTER: Duration = Duration::from_secs(60);

fn redecide(world: &World) -> Redecide {
    let clock = Arc::new(world.clock.clone());
    let backlog = Backlog {
        bus: world.bus.clone(),
        requests: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, world.products.clone())],
        answers: world.store.database().clone(),
        unpublished: None,
    };
    Redecide::new(world.store.clone(), clock.clone(), Steps::new(clock), AFTER, backlog)
}

/// Products reads every request that was sent so far, and answers none.
async fn read_all(world: &World) {
    let mut consumer =
        world.bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, world.products.clone()).await.unwrap();
    let sent = world.bus.bounds(Topic::TO_PRODUCTS).await.unwrap();
    let ends: u64 = sent.iter().map(|b| b.end).sum();
    let reached = async || -> u64 {
        world.products.positions(PRODUCTS_GROUP).await.unwrap().iter().map(|(_, p)| p.next).sum()
    };
    while reached().await < ends {
        let batch = consumer.poll(1_000).await.unwrap();
        let advances = batch.advances(PRODUCTS_GROUP);
        let moved = world.products.write(move |tx| advances.iter().try_for_each(|a| tx.advance(a)));
        moved.await.unwrap_or_else(|e: StoreError| panic!("{e}"));
        consumer.commit(&batch).await.unwrap();
    }
}

#[tokio::test]
async fn what_products_has_not_read_yet_is_not_asked_for_again() {
    let world = World::new().await;
    world.placed().await;
    read_all(&world).await;
    world.clock.advance(AFTER);
    // It waits in a queue that moves slowly: what is in it is not lost.
    let queued = world.placed().await;
    world.store.flush_index().await.unwrap();
    let mut redecide = redecide(&world);
    world.clock.advance(AFTER * 10);
    assert_eq!(redecide.run_once().await.unwrap(), 1, "only the one that was read and never answered");
    assert_eq!(world.sent(Topic::InventoryReserve).await.len(), 3);
    assert_eq!(redecide.run_once().await.unwrap(), 0);
    read_all(&world).await;
    assert_eq!(redecide.run_once().await.unwrap(), 1);
    let sent = world.sent(Topic::InventoryReserve).await;
    assert_eq!(sent[3]["orderId"], queued["_id"]);

    // Nor while answers wait to be read here: any of them may be the one.
    world.publish(&queued, reserved(&queued)).await;
    read_all(&world).await;
    world.clock.advance(AFTER * 20);
    assert_eq!(redecide.run_once().await.unwrap(), 0);
    world.take().await;
    world.store.flush_index().await.unwrap();
    assert_eq!(redecide.run_once().await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_undecided_for_long_is_asked_for_again_and_less_and_less_often() {
    let world = World::new().await;
    let placed = world.placed().await;
    let done = world.placed().await;
    world.answer(&done, rejected(&done)).await;
    world.store.flush_index().await.unwrap();
    read_all(&world).await;
    let mut redecide = redecide(&world);
    assert_eq!(redecide.run_once().await.unwrap(), 0);
    world.clock.advance(AFTER + Duration::from_millis(1));
    assert_eq!(redecide.run_once().await.unwrap(), 1);
    assert_eq!(redecide.run_once().await.unwrap(), 0);

    let requests = world.sent(Topic::InventoryReserve).await;
    assert_eq!(requests.len(), 3);
    // The same request, so the same event id: Products repeats its decision.
    assert_eq!((&requests[2]["orderId"], &requests[2]["eventId"]), (&placed["_id"], &requests[0]["eventId"]));
    assert_eq!(world.get(&placed).await, placed);

    // After a minute, two more, four more.
    for (wait, sent) in [(59, 0), (1, 1), (60, 0), (60, 1), (120, 0), (120, 1)] {
        read_all(&world).await;
        world.clock.advance(Duration::from_secs(wait));
        assert_eq!(redecide.run_once().await.unwrap(), sent, "after {wait} s more");
    }

    let steps = world.client.get(&crate::support::path(&placed, "/timeline")).send().await;
    assert_eq!(steps.json["data"]["steps"][1]["kind"], "request_sent_again");
    assert_eq!(steps.json["data"]["steps"][1]["cause"], json!({"type": "system"}));
}

#[tokio::test]
async fn every_outstanding_request_is_repeated_until_it_is_answered() {
    let world = World::new().await;
    let (shipped, cancelled) = (world.reserved().await, world.reserved().await);
    for status in [2, 3] {
        world.set_status(&shipped, status).await;
    }
    world.set_status(&cancelled, 5).await;
    world.store.flush_index().await.unwrap();
    read_all(&world).await;
    world.clock.advance(AFTER * 2);
    assert_eq!(redecide(&world).run_once().await.unwrap(), 2);
    assert_eq!(world.sent(Topic::InventoryRelease).await.len(), 2);
    let changes = world.sent(Topic::OrderStatusChanged).await;
    assert_eq!(changes.last().unwrap()["newStatus"].as_u64().map(|s| s == 3 || s == 5), Some(true));
    assert_eq!(changes.iter().filter(|c| c["newStatus"] == 3).count(), 2);

    world.answer(&shipped, fulfilled(&shipped)).await;
    world.answer(&cancelled, released(&cancelled, ReleaseOutcome::Released)).await;
    world.store.flush_index().await.unwrap();
    read_all(&world).await;
    world.clock.advance(AFTER * 2);
    assert_eq!(redecide(&world).run_once().await.unwrap(), 0);
}

#[tokio::test]
async fn a_shipment_that_products_contradicts_is_asked_for_less_and_less_often_and_stays() {
    let world = World::new().await;
    let shipped = world.reserved().await;
    for status in [2, 3] {
        world.set_status(&shipped, status).await;
    }
    let order = world.get(&shipped).await;
    world.store.flush_index().await.unwrap();
    let mut redecide = redecide(&world);
    let mut asked = 0;
    for _ in 0..(10 * 24) {
        read_all(&world).await;
        world.clock.advance(Duration::from_secs(3600));
        let sent = redecide.run_once().await.unwrap();
        asked += sent;
        if sent > 0 {
            world.answer(&shipped, rejected(&shipped)).await;
        }
    }
    assert!(asked <= 24, "{asked} times in ten days");
    assert_eq!(world.get(&shipped).await, order, "what has left has left");
}
