//! What Products' answers do (contract §5: invariants 3, 4, 6, 8 and 9 as the Orders service keeps them).

use std::sync::Arc;

use holdfast_bus::worker::Handler;
use holdfast_bus::{Batch, ORDERS_GROUP, Span};
use holdfast_contract::event::Event;
use holdfast_contract::{Partition, Topic};
use holdfast_service::Clock;
use holdfast_service::operator::{DeadLetterError, DeadLetters, Mode};
use holdfast_storage::{Inbox, Incarnation, ParkCause, ParkedId, Position, Record, Seq, StoreError};
use serde_json::{Value, json};

use crate::support::{ReleaseOutcome, World, fulfilled, id, rejected, released, reserved};

#[tokio::test]
async fn what_cannot_be_had_is_cancelled_with_every_shortage_named() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.answer(&placed, rejected(&placed)).await;
    let order = world.get(&placed).await;
    assert_eq!(
        (&order["status"], &order["stockStatus"], &order["cancelReason"]),
        (&json!(5), &json!("rejected"), &json!("OUT_OF_STOCK"))
    );
    let shortages = order["shortages"].as_array().unwrap();
    assert_eq!(shortages.len(), 2);
    assert_eq!((&shortages[0]["requested"], &shortages[0]["available"]), (&json!(5), &json!(2)));
    // Nothing was held, so nothing is given back.
    assert_eq!(world.sent(Topic::InventoryRelease).await, Vec::<Value>::new());
    assert_eq!(world.sent(Topic::OrderCancelled).await[0]["shortages"].as_array().unwrap().len(), 2);

    // Late answers never change a final state or its reason.
    world.answer(&placed, reserved(&placed)).await;
    world.set_status(&placed, 5).await;
    assert_eq!(world.get(&placed).await, order);
}

#[tokio::test]
async fn invariant_4_the_same_answer_again_has_no_further_effect() {
    let world = World::new().await;
    let placed = world.placed().await;
    for _ in 0..3 {
        world.publish(&placed, reserved(&placed)).await;
    }
    world.take().await;
    let order = world.get(&placed).await;
    assert_eq!((&order["stockStatus"], &order["version"]), (&json!("reserved"), &json!(2)));
    world.answer(&placed, reserved(&placed)).await;
    assert_eq!(world.get(&placed).await, order);
    assert_eq!(world.sent(Topic::OrderLive).await.len(), 2);
}

#[tokio::test]
async fn several_answers_of_one_batch_take_effect_one_after_the_other() {
    let world = World::new().await;
    let placed = world.reserved().await;
    let other = world.placed().await;
    for status in [2, 3, 5] {
        world.set_status(&placed, status).await;
    }
    world.publish(&placed, fulfilled(&placed)).await;
    world.publish(&other, reserved(&other)).await;
    world.publish(&placed, released(&placed, ReleaseOutcome::Returned)).await;
    world.take().await;
    assert_eq!(world.get(&placed).await["stockStatus"], "returned");
    assert_eq!(world.get(&other).await["stockStatus"], "reserved");
}

#[tokio::test]
async fn cancelled_before_it_was_decided_ends_released() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.set_status(&placed, 5).await;
    world.answer(&placed, reserved(&placed)).await;
    assert_eq!(world.get(&placed).await["stockStatus"], "pending");
    world.answer(&placed, released(&placed, ReleaseOutcome::Released)).await;
    assert_eq!(world.get(&placed).await["stockStatus"], "released");
}

#[tokio::test]
async fn answers_and_clients_at_once_lose_nothing() {
    let world = World::new().await;
    for _ in 0..20 {
        let placed = world.placed().await;
        world.publish(&placed, reserved(&placed)).await;
        let ((), response) = tokio::join!(world.take(), world.set_status(&placed, 5));
        assert_eq!(response.status, 200);
        world.answer(&placed, released(&placed, ReleaseOutcome::Released)).await;
        let order = world.get(&placed).await;
        assert_eq!((&order["status"], &order["stockStatus"]), (&json!(5), &json!("released")));
    }
}

#[tokio::test]
async fn invariant_8_poison_parks_its_order_and_no_other() {
    let world = World::new().await;
    let (sick, well) = (world.placed().await, world.placed().await);
    let key = id(&sick).to_string();
    world.publish_raw(Topic::InventoryReserved, key.clone(), "not json").await;
    world.publish_raw(Topic::InventoryReserved, "no order id".to_owned(), "{}").await;
    world.publish(&sick, reserved(&sick)).await;
    world.publish(&well, reserved(&well)).await;
    world.take().await;
    assert_eq!(world.get(&well).await["stockStatus"], "reserved");
    assert_eq!(world.get(&sick).await["stockStatus"], "pending");
    assert_eq!(journal_count(&world, Topic::InventoryReservedDlq).await, 2);

    // Also in a later batch; but another topic of the order goes on.
    world.answer(&sick, reserved(&sick)).await;
    let parked = world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap();
    let causes: Vec<bool> = parked.iter().map(|p| p.cause == ParkCause::Behind).collect();
    assert_eq!(causes, [false, false, true, true]);

    // In order: what is behind cannot go first, and what is broken stays, with one more attempt counted.
    let [first, alone, second, third] = [0, 1, 2, 3].map(|n: usize| parked[n].id);
    let replay = async |id| world.answers.replay(id, Mode::Real).await;
    let discard = async |id| world.answers.discard(id, Mode::Real).await;
    for refused in [replay(third).await, discard(third).await] {
        assert!(matches!(refused, Err(DeadLetterError::Behind { first: before }) if before == first));
    }
    for tried in 1..3 {
        let refused = replay(first).await;
        assert!(matches!(refused, Err(DeadLetterError::StillPoison { attempts, .. }) if attempts == tried));
        let stored = world.store.database().parked_message(ORDERS_GROUP, first).await.unwrap();
        assert_eq!(stored.unwrap().attempts, tried);
    }
    // What was behind it goes on by itself.
    let outcome = discard(first).await.unwrap();
    assert_eq!((outcome.replayed.len(), outcome.stuck.is_some()), (2, false));
    for gone in [discard(first).await, replay(second).await, replay(ParkedId(99)).await] {
        assert!(matches!(gone, Err(DeadLetterError::NotFound(_))));
    }
    assert_eq!(world.get(&sick).await["stockStatus"], "reserved");
    discard(alone).await.unwrap();

    // Nothing of it is parked any more, so its messages go on as any other's.
    world.set_status(&sick, 5).await;
    world.answer(&sick, released(&sick, ReleaseOutcome::Released)).await;
    assert_eq!(world.get(&sick).await["stockStatus"], "released");
    assert!(world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn invariant_8_what_is_behind_goes_on_up_to_the_next_poison() {
    let world = World::new().await;
    let sick = world.placed().await;
    let key = id(&sick).to_string();
    let poison = || world.publish_raw(Topic::InventoryReserved, key.clone(), "not json");
    poison().await;
    world.publish(&sick, reserved(&sick)).await;
    poison().await;
    world.publish(&sick, reserved(&sick)).await;
    world.take().await;
    let parked = async || world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap();
    let ids: Vec<_> = parked().await.iter().map(|p| p.id).collect();
    let discard = async |id| world.answers.discard(id, Mode::Real).await.unwrap();
    let outcome = discard(ids[0]).await;
    assert_eq!(outcome.replayed.len(), 1);
    assert_eq!(outcome.stuck.unwrap().message.id, ids[2]);
    assert_eq!(parked().await[0].attempts, 1, "it was tried");
    assert_eq!(world.get(&sick).await["stockStatus"], "reserved");
    assert_eq!(parked().await.len(), 2);
    assert_eq!(discard(ids[2]).await.replayed.len(), 1);
    assert!(parked().await.is_empty());
}

/// What is parked is not remembered: another instance on the same database parks and replays too.
#[tokio::test]
async fn invariant_8_instances_that_share_a_database_park_behind_each_other() {
    let world = World::new().await;
    let (sick, well) = (world.placed().await, world.placed().await);
    let other = world.another_instance();
    // A foreign writer has put the broken message into another partition than the order's: it is the other instance's.
    let record = |partition, payload: Vec<u8>| {
        Arc::new(Record {
            seq: Seq(0),
            topic: Topic::InventoryReserved,
            partition: Partition(partition),
            offset: 0,
            key: id(&sick).to_string().into(),
            payload: payload.into(),
            at: world.clock.now(),
            traceparent: None,
        })
    };
    let batch = |record: &Arc<Record>| {
        let to = Position { incarnation: Incarnation(1), next: 1 };
        let spans = vec![Span { partition: record.topic_partition(), from: None, to }];
        Batch { records: vec![record.clone()], spans, generation: 1 }
    };
    world.answer(&well, reserved(&well)).await;
    other.clone().handle(&batch(&record(11, b"not json".to_vec()))).await.unwrap();
    // No rebalance in between: this instance is told of nothing.
    let good = Event::about_order(id(&sick), 1, world.clock.now(), reserved(&sick)).encode();
    world.answers.clone().handle(&batch(&record(12, good))).await.unwrap();
    assert_eq!(world.get(&sick).await["stockStatus"], "pending");
    let parked = world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap();
    assert_eq!(parked.iter().map(|p| p.record.partition.0).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(parked[1].cause, ParkCause::Behind);

    // Either may replay; then the order's messages pass everywhere.
    let outcome = other.discard(parked[0].id, Mode::Real).await.unwrap();
    assert_eq!(outcome.replayed.len(), 1);
    assert_eq!(world.get(&sick).await["stockStatus"], "reserved");
    world.set_status(&sick, 5).await;
    world.answer(&sick, released(&sick, ReleaseOutcome::Released)).await;
    assert_eq!(world.get(&sick).await["stockStatus"], "released");
    assert!(world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_forgotten_before_its_replay_is_durable() {
    let world = World::new().await;
    let sick = world.placed().await;
    world.publish_raw(Topic::InventoryReserved, id(&sick).to_string(), "not json").await;
    world.publish(&sick, reserved(&sick)).await;
    world.take().await;
    let database = world.store.database();
    let parked = async || database.parked(ORDERS_GROUP, None, 10).await.unwrap();
    let run = async |sql: &'static str| {
        let done = database.write(move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?));
        done.await.unwrap();
    };
    let first = parked().await[0].id;
    run("CREATE TRIGGER broken BEFORE UPDATE ON orders BEGIN SELECT RAISE(ABORT, 'injected'); END;").await;
    // The one that is given up needs no order; the one behind it does, and stays.
    let outcome = world.answers.discard(first, Mode::Real).await.unwrap();
    assert!(outcome.replayed.is_empty() && outcome.stuck.is_some(), "{outcome:?}");
    let behind = parked().await;
    assert_eq!(behind.len(), 1);
    let failed = world.answers.replay(behind[0].id, Mode::Real).await.unwrap_err();
    assert!(matches!(failed, DeadLetterError::Store(_)), "{failed}");
    let left = parked().await;
    assert_eq!((left.len(), left[0].attempts), (1, 0), "a store that fails is no fault of the message");
    run("DROP TRIGGER broken;").await;
    world.answers.replay(behind[0].id, Mode::Real).await.unwrap();
    assert!(parked().await.is_empty());
    assert_eq!(world.get(&sick).await["stockStatus"], "reserved");
}

#[tokio::test]
async fn words_of_a_newer_writer_are_taken_as_far_as_they_are_known() {
    let world = World::new().await;
    let placed = world.placed().await;
    let text = |body| {
        String::from_utf8(Event::about_order(id(&placed), 1, world.clock.now(), body).encode()).unwrap()
    };
    let key = id(&placed).to_string();
    let newer = text(reserved(&placed)).replace("\"kind\":\"reserved\"", "\"kind\":\"counted\"");
    world.publish_raw(Topic::InventoryReserved, key.clone(), newer).await;
    world.take().await;
    assert_eq!(world.get(&placed).await["stockStatus"], "reserved");
    let timeline = world.client.get(&crate::support::path(&placed, "/timeline")).send().await;
    assert!(timeline.json.to_string().contains("\"kind\":\"unknown\""), "{}", timeline.json);
    world.set_status(&placed, 5).await;
    let body = released(&placed, ReleaseOutcome::Released);
    let newer = text(body).replace("\"outcome\":\"released\"", "\"outcome\":\"melted\"");
    world.publish_raw(Topic::InventoryReleased, key, newer).await;
    world.take().await;
    assert_eq!(world.get(&placed).await["stockStatus"], "released");
    assert!(world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn foreign_and_future_messages_are_passed_over() {
    let world = World::new().await;
    let placed = world.placed().await;
    let nobody = json!({"_id": holdfast_contract::OrderId::new(holdfast_contract::Key::compose(1_700_000_000_000, 1, 1))});
    world.publish(&nobody, reserved(&nobody)).await;
    let event = Event::about_order(id(&placed), 1, world.clock.now(), reserved(&placed)).encode();
    let newer = String::from_utf8(event).unwrap().replace("\"STOCK_RESERVED\"", "\"STOCK_TELEPORTED\"");
    world.publish_raw(Topic::InventoryReserved, id(&placed).to_string(), newer).await;
    world.publish(&placed, reserved(&placed)).await;
    world.take().await;
    assert_eq!(world.get(&placed).await["stockStatus"], "reserved");
    assert!(world.store.database().parked(ORDERS_GROUP, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn invariant_9_a_batch_that_was_taken_is_not_taken_again() {
    let world = World::new().await;
    let placed = world.placed().await;
    world.answer(&placed, reserved(&placed)).await;
    let positions = world.store.database().positions(ORDERS_GROUP).await.unwrap();
    assert_eq!(positions.iter().map(|(_, p)| p.next).sum::<u64>(), 1);
}

async fn journal_count(world: &World, topic: Topic) -> usize {
    let records =
        holdfast_storage::Journal::read(&**world.store.database(), holdfast_storage::Seq(0), 10_000);
    records.await.unwrap().iter().filter(|r| r.topic == topic).count()
}
