//! Nothing accepted is lost (invariant 3): what waits too long is asked for again.

use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::Topic;
use holdfast_orders::recovery::Redecide;
use holdfast_service::Steps;
use serde_json::json;

use crate::support::{ReleaseOutcome, World, fulfilled, rejected, released};

const AFTER: Duration = Duration::from_secs(60);

fn redecide(world: &World) -> Redecide {
    let clock = Arc::new(world.clock.clone());
    Redecide::new(world.store.clone(), clock.clone(), Steps::new(clock), AFTER)
}

#[tokio::test]
async fn what_is_undecided_for_long_is_asked_for_again_and_less_and_less_often() {
    let world = World::new().await;
    let placed = world.placed().await;
    let done = world.placed().await;
    world.answer(&done, rejected(&done)).await;
    world.store.flush_index().await.unwrap();
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
    world.clock.advance(AFTER * 2);
    assert_eq!(redecide(&world).run_once().await.unwrap(), 2);
    assert_eq!(world.sent(Topic::InventoryRelease).await.len(), 2);
    let changes = world.sent(Topic::OrderStatusChanged).await;
    assert_eq!(changes.last().unwrap()["newStatus"].as_u64().map(|s| s == 3 || s == 5), Some(true));
    assert_eq!(changes.iter().filter(|c| c["newStatus"] == 3).count(), 2);

    world.answer(&shipped, fulfilled(&shipped)).await;
    world.answer(&cancelled, released(&cancelled, ReleaseOutcome::Released)).await;
    world.store.flush_index().await.unwrap();
    world.clock.advance(AFTER * 2);
    assert_eq!(redecide(&world).run_once().await.unwrap(), 0);
}
