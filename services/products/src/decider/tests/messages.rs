//! Messages: duplicates, crashes, stale workers, two topics out of order.

use holdfast_contract::event::{Body, ReleaseOutcome};
use holdfast_contract::stock::{MovementKind, RejectReason};
use holdfast_contract::{OrderStatus, Topic};
use holdfast_storage::StoreError;

use super::rig::{Rig, order, product};
use crate::store::StockReads;

#[tokio::test]
async fn invariant_2_all_lines_or_none_and_every_shortage_named() {
    let mut rig = Rig::new().await;
    rig.stock(1, 50).await;
    rig.stock(2, 1).await;
    rig.reserve(1, &[(1, 2), (2, 1)]).await;
    rig.reserve(2, &[(1, 2), (2, 1), (3, 1)]).await;
    rig.catch_up().await;
    assert_eq!((rig.balances(1).await, rig.balances(2).await), ((50, 2), (1, 1)));
    let said = rig.said(Topic::InventoryRejected).await;
    let [rejected] = &said[..] else { panic!("one is rejected: {said:?}") };
    let Body::StockRejected(rejected) = &rejected.body else { panic!() };
    assert_eq!(rejected.reason, RejectReason::ProductNotFound);
    let short: Vec<_> = rejected.shortages.iter().map(|s| (s.product_id, s.requested, s.available)).collect();
    assert_eq!(short, [(product(2), 1, 0), (product(3), 1, 0)]);
    let said = rig.said(Topic::InventoryReserved).await;
    let Body::StockReserved(reserved) = &said[0].body else { panic!() };
    assert_eq!(reserved.movements.len(), 2);
    assert_eq!(reserved.movements[0].balances.stock, 48);
    // One message for each product that moved, with its newest version.
    let changed = rig.said(Topic::StockChanged).await;
    let Body::StockChanged(last) = &changed.last().unwrap().body else { panic!() };
    assert!(
        rig.shelf(1).await.level.version() == last.version
            || rig.shelf(2).await.level.version() == last.version
    );
}

#[tokio::test]
async fn invariant_4_a_message_again_repeats_the_answer_and_nothing_else() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    for _ in 0..3 {
        rig.reserve(1, &[(1, 4)]).await;
    }
    rig.catch_up().await;
    rig.reserve(1, &[(1, 4)]).await;
    rig.catch_up().await;
    rig.restart().await;
    rig.reserve(1, &[(1, 4)]).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 4));
    let said = rig.payloads(Topic::InventoryReserved).await;
    assert_eq!(said.len(), 5, "every request is answered");
    assert!(said.windows(2).all(|two| two[0] == two[1]), "always the same");
}

#[tokio::test]
async fn invariant_9_a_crash_before_the_position_is_told_has_no_second_effect() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 4)]).await;
    rig.reserve(2, &[(1, 4)]).await;
    let batch = rig.polled().await;
    rig.handle(&batch).await.unwrap();
    // The worker dies before the consumer hears of it. Its batch is delivered to nobody again …
    rig.restart().await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 8));
    assert_eq!(rig.payloads(Topic::InventoryReserved).await.len(), 2);
    // … and is void if it is.
    assert!(matches!(rig.handle(&batch).await, Err(StoreError::StaleWorker { .. })));
    assert_eq!(rig.payloads(Topic::InventoryReserved).await.len(), 2);
}

#[tokio::test]
async fn invariant_9_a_stale_worker_changes_nothing_and_the_next_batch_goes_on() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 4)]).await;
    let first = rig.polled().await;
    rig.handle(&first).await.unwrap();
    assert!(matches!(rig.handle(&first).await, Err(StoreError::StaleWorker { .. })));
    rig.consumer.reset();
    rig.reserve(2, &[(1, 7)]).await;
    rig.reserve(3, &[(1, 6)]).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 10));
    let said = rig.said(Topic::InventoryRejected).await;
    assert_eq!(said[0].head.order_id, Some(order(2)));
}

#[tokio::test]
async fn invariant_4_a_release_that_overtakes_its_reserve_wins() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.release(1, false).await;
    rig.catch_up().await;
    rig.reserve(1, &[(1, 4)]).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 0));
    assert!(rig.said(Topic::InventoryReserved).await.is_empty());
    let said = rig.payloads(Topic::InventoryReleased).await;
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn an_order_is_held_shipped_and_comes_back() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 1), (1, 2)]).await;
    rig.status(1, OrderStatus::Processing).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 3));
    rig.status(1, OrderStatus::Shipped).await;
    rig.status(1, OrderStatus::Shipped).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (7, 0));
    assert_eq!(rig.payloads(Topic::InventoryFulfilled).await.len(), 2);
    rig.release(1, true).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 0));
    let said = rig.said(Topic::InventoryReleased).await;
    assert!(
        matches!(&said[0].body, Body::StockReleased(r) if r.outcome == ReleaseOutcome::Returned && r.movements.len() == 2)
    );
}

#[tokio::test]
async fn invariant_4_a_cancelled_shipment_that_overtakes_the_shipment_reads_the_same() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 3)]).await;
    rig.catch_up().await;
    rig.release(1, true).await;
    rig.catch_up().await;
    rig.status(1, OrderStatus::Shipped).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 0));
    assert!(rig.said(Topic::InventoryFulfilled).await.is_empty());
    let ledger = rig.store.movements(product(1), None, 10).await.unwrap();
    let kinds: Vec<_> = ledger.iter().rev().map(|m| m.kind).collect();
    use MovementKind::{Fulfilled, Received, Reserved, Returned};
    assert_eq!(kinds, [Received, Reserved, Fulfilled, Returned]);
}

#[tokio::test]
async fn invariant_5_releasing_a_rejected_order_moves_nothing_and_is_answered() {
    let mut rig = Rig::new().await;
    rig.stock(1, 1).await;
    rig.reserve(1, &[(1, 2)]).await;
    rig.release(1, false).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (1, 0));
    assert_eq!(
        rig.payloads(Topic::InventoryRejected).await.len()
            + rig.payloads(Topic::InventoryReleased).await.len(),
        2
    );
    assert_eq!(rig.store.movements(product(1), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn invariant_1_one_hot_product_is_never_oversold() {
    let mut rig = Rig::new().await;
    rig.stock(1, 100).await;
    for n in 0..300 {
        rig.reserve(n, &[(1, 1)]).await;
    }
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (100, 100));
    assert_eq!(rig.payloads(Topic::InventoryReserved).await.len(), 100);
    assert_eq!(rig.payloads(Topic::InventoryRejected).await.len(), 200);
}

#[tokio::test]
async fn statuses_of_a_newer_writer_are_passed_over_and_a_shipment_needs_little() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 3)]).await;
    rig.catch_up().await;
    let id = order(1);
    let payload = |own: &str| {
        format!(
            r#"{{"eventId":"e","eventType":"ORDER_STATUS_CHANGED","orderId":"{id}","orderNumber":"{}","timestamp":"2026-01-01T00:00:00.000Z","schemaVersion":9,"reservationId":"{}",{own}}}"#,
            holdfast_contract::OrderNumber::from(id),
            holdfast_contract::ReservationId::from(id),
        )
    };
    let newer = payload(r#""oldStatus":9,"newStatus":10,"stockStatus":"backordered""#);
    rig.say_raw(Topic::OrderStatusChanged, 1, newer).await;
    rig.catch_up().await;
    assert!(rig.parked().await.is_empty());
    assert_eq!(rig.balances(1).await, (10, 3));
    rig.say_raw(Topic::OrderStatusChanged, 1, payload(r#""newStatus":3"#)).await;
    rig.catch_up().await;
    assert!(rig.parked().await.is_empty());
    assert_eq!(rig.balances(1).await, (7, 0));
}

#[tokio::test]
async fn invariant_3_every_shipment_is_answered_where_there_was_a_decision() {
    let mut rig = Rig::new().await;
    rig.stock(1, 1).await;
    rig.reserve(1, &[(1, 2)]).await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.release(2, false).await;
    rig.catch_up().await;
    for n in 1..=3 {
        rig.status(n, OrderStatus::Shipped).await;
    }
    rig.catch_up().await;
    // Rejected and released are said again; of the third nobody knows anything, and nobody is stopped by it.
    for topic in [Topic::InventoryRejected, Topic::InventoryReleased] {
        let said = rig.payloads(topic).await;
        assert_eq!(said.len(), 2, "{topic}");
        assert_eq!(said[0], said[1]);
    }
    assert!(rig.said(Topic::InventoryFulfilled).await.is_empty());
    assert!(rig.parked().await.is_empty());
    assert_eq!(rig.balances(1).await, (1, 0));
}
