//! Poison stops nobody.

use holdfast_contract::event::Body;
use holdfast_contract::stock::RejectReason;
use holdfast_contract::{OrderStatus, Topic};
use holdfast_service::operator::{DeadLetterError, DeadLetters, Mode};
use holdfast_storage::{ParkedId, StoreError};

use super::rig::{Rig, order};

#[tokio::test]
async fn invariant_8_poison_in_a_batch_parks_its_order_and_no_other() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 1)]).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.reserve(3, &[(1, 1)]).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 2));
    let parked = rig.parked().await;
    assert_eq!(parked.len(), 2);
    assert_eq!(rig.payloads(Topic::InventoryReserveDlq).await.len(), 1, "a copy for others");
    // Behind it, in a later batch and after a restart.
    rig.restart().await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    assert_eq!(rig.parked().await.len(), 3);
    assert_eq!(rig.balances(1).await, (10, 2));
}

#[tokio::test]
async fn invariant_8_replay_stops_at_what_is_still_poison_and_discarding_it_rejects_the_order() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    let [first, second] = &rig.parked().await[..] else { panic!("two are parked") };
    let replay = async |id| rig.decider.replay(id, Mode::Real).await;
    let discard = async |id| rig.decider.discard(id, Mode::Real).await;
    for refused in [replay(second.id).await, discard(second.id).await] {
        assert!(matches!(refused, Err(DeadLetterError::Behind { first: before }) if before == first.id));
    }
    let refused = replay(first.id).await;
    assert!(matches!(refused, Err(DeadLetterError::StillPoison { attempts: 1, .. })), "{refused:?}");
    assert_eq!(rig.parked().await[0].attempts, 1);

    // The one behind it is replayed at once, and finds the order decided.
    let discarded = discard(first.id).await.unwrap();
    assert_eq!((discarded.replayed.len(), discarded.stuck.is_some()), (1, false));
    let said = rig.said(Topic::InventoryRejected).await;
    assert_eq!(said[0].head.order_id, Some(order(2)));
    assert!(matches!(&said[0].body, Body::StockRejected(r) if r.reason == RejectReason::ProcessingFailed));
    assert!(matches!(replay(second.id).await, Err(DeadLetterError::NotFound(_))));
    assert_eq!(rig.payloads(Topic::InventoryRejected).await.len(), 2);
    assert_eq!(rig.balances(1).await, (10, 0));
    assert!(rig.parked().await.is_empty());
    for gone in [discard(first.id).await, replay(ParkedId(99)).await] {
        assert!(matches!(gone, Err(DeadLetterError::NotFound(_))));
    }
    // Nothing is parked any more, so the order's messages pass again.
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    assert!(rig.parked().await.is_empty());
    assert_eq!(rig.payloads(Topic::InventoryRejected).await.len(), 3);
}

#[tokio::test]
async fn invariant_8_a_release_passes_a_parked_reserve_and_wins() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.release(2, false).await;
    rig.catch_up().await;
    assert_eq!(rig.payloads(Topic::InventoryReleased).await.len(), 1);
    let parked = rig.parked().await;
    assert_eq!(rig.decider.discard(parked[0].id, Mode::Real).await.unwrap().replayed.len(), 1);
    assert_eq!(rig.balances(1).await, (10, 0));
    assert!(rig.said(Topic::InventoryRejected).await.is_empty());
    let said = rig.payloads(Topic::InventoryReleased).await;
    assert_eq!(said.len(), 3);
    assert!(said.iter().all(|s| *s == said[0]));
}

#[tokio::test]
async fn invariant_8_a_parked_shipment_does_not_stop_the_release() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 2)]).await;
    rig.catch_up().await;
    rig.poison(Topic::OrderStatusChanged, 1).await;
    rig.status(1, OrderStatus::Shipped).await;
    rig.release(1, true).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 0));
    let parked = rig.parked().await;
    assert_eq!(rig.decider.discard(parked[0].id, Mode::Real).await.unwrap().replayed.len(), 1);
    assert_eq!(rig.balances(1).await, (10, 0));
    assert!(rig.parked().await.is_empty());
}

#[tokio::test]
async fn invariant_8_what_is_behind_a_discarded_message_goes_on_up_to_the_next_poison() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    let parked = rig.parked().await;
    assert_eq!(parked.len(), 4);
    let discard = async |id| rig.decider.discard(id, Mode::Real).await;
    let discarded = discard(parked[0].id).await.unwrap();
    assert_eq!((discarded.replayed.len(), discarded.stuck.unwrap().message.id), (1, parked[2].id));
    assert_eq!(rig.parked().await.len(), 2);
    assert_eq!(discard(parked[2].id).await.unwrap().replayed.len(), 1);
    assert!(rig.parked().await.is_empty());
    rig.catch_up().await;
}

#[tokio::test]
async fn nothing_is_forgotten_before_its_replay_is_durable() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.poison(Topic::InventoryReserve, 2).await;
    rig.reserve(2, &[(1, 3)]).await;
    rig.catch_up().await;
    // As if this were the version that can read it.
    let mended = rig.store.database().write(|tx| {
        let good = "UPDATE parked SET payload = (SELECT payload FROM parked WHERE poison IS NULL)";
        Ok::<_, StoreError>(tx.connection().execute_batch(good)?)
    });
    mended.await.unwrap();
    let first = rig.parked().await[0].id;
    rig.break_store(true).await;
    let failed = rig.decider.replay(first, Mode::Real).await.unwrap_err();
    assert!(matches!(failed, DeadLetterError::Store(_)), "{failed}");
    let parked = rig.parked().await;
    assert_eq!((parked.len(), parked[0].attempts), (2, 0), "a store that fails is no fault of the message");
    rig.break_store(false).await;
    assert_eq!(rig.decider.replay(first, Mode::Real).await.unwrap().replayed.len(), 2);
    assert!(rig.parked().await.is_empty());
    assert_eq!(rig.balances(1).await, (10, 3));
    rig.catch_up().await;
}
