//! Commits: all or nothing, and read back as they were made.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::stock::RejectReason;
use holdfast_contract::{Partition, Topic};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{
    Advance, Incarnation, Outgoing, ParkCause, Position, Record, Seq, StoreError, ToPark, TopicPartition,
};

use super::Opened;
use super::sample::{
    at, decided, details, origin, product, product_id, put, quantity, request, reservation_id, shelf, taken,
};
use crate::domain::{Desk, HoldId, HttpReservation, HttpState, MovementId, OrderRef, Reservation};
use crate::store::{CommitError, Counters, IdempotencyRecord, StockCommit, StoredAnswer};

fn outgoing(text: &'static str) -> Outgoing {
    Outgoing {
        topic: Topic::InventoryReserved,
        key: Bytes::from_static(b"order"),
        payload: Bytes::from_static(text.as_bytes()),
        at: at(),
        traceparent: None,
    }
}

fn advance(from: Option<u64>, to: u64) -> Advance {
    let position = |next| Position { incarnation: Incarnation(7), next };
    Advance {
        group: PRODUCTS_GROUP,
        partition: TopicPartition { topic: Topic::InventoryReserve, partition: Partition(1) },
        from: from.map(position),
        to: position(to),
    }
}

async fn journal(opened: &Opened) -> Vec<Bytes> {
    opened.journal.read(Seq(0), 100).await.unwrap().iter().map(|r| r.payload.clone()).collect()
}

pub(super) async fn what_was_committed_is_read_back(opened: &Opened) {
    let store = &opened.store;
    assert_eq!(store.counters().await.unwrap(), Counters::default());
    let mut desk = Desk::new(None);
    put(opened, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    assert_eq!(shelf(opened, 1).await, *desk.shelf(product_id(1)).unwrap());
    let held = decided(desk.reserve(&request(1, &[(1, 2), (1, 3)]), None, false, &origin()).unwrap());
    let commit = StockCommit {
        decisions: vec![held.clone()],
        outgoing: vec![outgoing("{}")],
        advances: vec![advance(None, 4)],
        ..taken(&mut desk)
    };
    store.commit(commit).await.unwrap();
    let read = shelf(opened, 1).await;
    assert_eq!(read, *desk.shelf(product_id(1)).unwrap());
    assert_eq!((read.level.on_hand(), read.level.reserved()), (10, 5));
    assert_eq!(store.decisions(vec![reservation_id(1), reservation_id(2)]).await.unwrap(), [held]);
    assert_eq!(
        store.positions(PRODUCTS_GROUP).await.unwrap(),
        [(advance(None, 4).partition, advance(None, 4).to)]
    );
    assert_eq!(journal(opened).await, ["{}"]);
    let counters = store.counters().await.unwrap();
    assert_eq!(counters.last_movement, Some(MovementId(3)));
    assert_eq!(counters.newest_reservation, Some(reservation_id(1)));
    assert_eq!(store.shelves(vec![product_id(9)]).await.unwrap(), []);
}

/// A commit that changes one of everything, from what `desk` knows.
fn everything(desk: &mut Desk, n: u16) -> StockCommit {
    let held = decided(desk.reserve(&request(n, &[(1, 1)]), None, false, &origin()).unwrap());
    StockCommit { decisions: vec![held], outgoing: vec![outgoing("{}")], ..taken(desk) }
}

async fn nothing_has_changed(opened: &Opened, before: &Desk) {
    assert_eq!(shelf(opened, 1).await, *before.shelf(product_id(1)).unwrap());
    assert_eq!(opened.store.decisions(vec![reservation_id(2)]).await.unwrap(), []);
    assert_eq!(journal(opened).await, Vec::<Bytes>::new());
    assert_eq!(opened.store.holds(product_id(1), None, 10).await.unwrap(), []);
    assert_eq!(opened.store.counters().await.unwrap().last_movement, Some(MovementId(1)));
}

pub(super) async fn a_stale_product_voids_the_whole_commit(opened: &Opened) {
    let mut desk = Desk::new(None);
    put(opened, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    let stored = desk.clone();
    // Somebody else's change, that this desk takes for stored.
    desk.adjust(product_id(1), 1, &origin()).unwrap();
    desk.take();
    let mut commit = everything(&mut desk, 2);
    commit.advances.push(advance(None, 1));
    let refused = opened.store.commit(commit).await;
    assert!(matches!(refused, Err(CommitError::Stale(id)) if id == product_id(1)), "{refused:?}");
    nothing_has_changed(opened, &stored).await;
    assert_eq!(opened.store.positions(PRODUCTS_GROUP).await.unwrap(), []);
    // A product that is new to somebody else too.
    let mut other = Desk::new(Some(MovementId(1)));
    other.create(product(1, details("Lamp", 2_999)), 0, &origin()).unwrap();
    assert!(matches!(opened.store.commit(taken(&mut other)).await, Err(CommitError::Stale(_))));
}

pub(super) async fn a_stale_position_voids_the_whole_commit(opened: &Opened) {
    let mut desk = Desk::new(None);
    put(opened, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    let stored = desk.clone();
    let first = StockCommit { advances: vec![advance(None, 5)], ..StockCommit::default() };
    opened.store.commit(first).await.unwrap();
    for from in [None, Some(4), Some(6)] {
        let mut desk = stored.clone();
        let mut commit = everything(&mut desk, 2);
        commit.advances.push(advance(from, 9));
        let stale = opened.store.commit(commit).await;
        assert!(
            matches!(stale, Err(CommitError::Store(StoreError::StaleWorker { .. }))),
            "invariant 9: {stale:?}"
        );
        nothing_has_changed(opened, &stored).await;
    }
}

pub(super) async fn a_parked_message_is_removed_once(opened: &Opened) {
    let record = Record {
        seq: Seq(0),
        topic: Topic::InventoryReserve,
        partition: Partition(1),
        offset: 3,
        key: Bytes::from_static(b"key"),
        payload: Bytes::from_static(b"poison"),
        at: at(),
        traceparent: None,
    };
    let park = ToPark {
        group: PRODUCTS_GROUP,
        record: Arc::new(record),
        order: None,
        cause: ParkCause::Poison("unreadable".to_owned()),
        at: at(),
    };
    let commit = StockCommit { park: vec![park], ..StockCommit::default() };
    opened.store.commit(commit).await.unwrap();
    let parked = opened.store.parked(PRODUCTS_GROUP, None, 10).await.unwrap().pop().unwrap();
    let attempted = StockCommit { attempted: vec![parked.id], ..StockCommit::default() };
    opened.store.commit(attempted).await.unwrap();
    assert_eq!(opened.store.parked(PRODUCTS_GROUP, None, 10).await.unwrap()[0].attempts, 1);
    let remove =
        || StockCommit { unpark: vec![parked.id], outgoing: vec![outgoing("{}")], ..StockCommit::default() };
    opened.store.commit(remove()).await.unwrap();
    assert!(matches!(opened.store.commit(remove()).await, Err(CommitError::AlreadyUnparked)));
    assert_eq!(journal(opened).await.len(), 1);
    assert!(opened.store.parked(PRODUCTS_GROUP, None, 10).await.unwrap().is_empty());
}

pub(super) async fn every_state_of_a_reservation_reads_back(opened: &Opened) {
    let mut desk = Desk::new(None);
    put(opened, &mut desk, product(1, details("Lamp", 1_000)), 100).await;
    let mut last = Vec::new();
    for n in 1..=6 {
        // 29.99 is not the price: differences are recorded.
        let asked = if n == 1 { request(n, &[(1, 1_000), (2, 1)]) } else { request(n, &[(1, 2), (1, 1)]) };
        let first = decided(desk.reserve(&asked, None, false, &origin()).unwrap());
        let mut decisions = vec![first.clone()];
        let id = reservation_id(n);
        if n == 4 || n == 5 {
            decisions.push(decided(desk.fulfil(id, Some(&first), &origin()).unwrap().unwrap()));
        }
        let prior = decisions.last().cloned();
        if n == 3 || n == 5 || n == 6 {
            decisions.push(decided(desk.release(id, n == 6, prior.as_ref(), &origin()).unwrap()));
        }
        last.push(decisions.last().cloned().unwrap());
        // Several decisions on one reservation in one commit: the last one stays.
        opened.store.commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    }
    let early = decided(desk.release(reservation_id(7), false, None, &origin()).unwrap());
    last.push(early.clone());
    opened.store.commit(StockCommit { decisions: vec![early], ..taken(&mut desk) }).await.unwrap();
    let read = opened.store.decisions((1..=7).map(reservation_id).collect()).await.unwrap();
    assert_eq!(read, last);
    assert!(
        matches!(&read[0].reservation, Reservation::Rejected(r) if r.reason == RejectReason::ProductNotFound && r.shortages.len() == 2)
    );
    assert!(matches!(&read[1].reservation, Reservation::Held(h) if h.price_differences.len() == 2));
    assert!(matches!(read[2].reservation, Reservation::Released(_)));
    assert!(matches!(read[3].reservation, Reservation::Fulfilled(_)));
    assert!(matches!(read[4].reservation, Reservation::Returned(_)));
    assert!(matches!(&read[5].reservation, Reservation::Returned(s) if s.movements.len() == 4));
    assert!(read[6].movements().is_empty());
    assert!(crate::audit::audit(opened.store.as_ref()).await.unwrap().is_clean());
}

pub(super) async fn http_reservations_and_counters_read_back(opened: &Opened) {
    let order = OrderRef::new(&reservation_id(3).to_string().replace("RSV-", "ORD-")).unwrap();
    let till = OrderRef::new("till-7").unwrap();
    let held = HttpState::Held { quantity: quantity(2), hold: HoldId(MovementId(1)), new_stock: 8 };
    let of = |order: &OrderRef, state| HttpReservation {
        order: order.clone(),
        product: product_id(1),
        state,
        at: at(),
    };
    let commit = |r: Vec<HttpReservation>| StockCommit { http_reservations: r, ..StockCommit::default() };
    let never = of(&till, HttpState::NeverHeld);
    opened.store.commit(commit(vec![of(&order, held), never.clone()])).await.unwrap();
    let read = opened.store.http_reservation(order.clone(), product_id(1)).await.unwrap();
    assert_eq!(read, Some(of(&order, held)));
    assert_eq!(opened.store.http_reservation(till, product_id(1)).await.unwrap(), Some(never));
    assert_eq!(opened.store.http_reservation(order.clone(), product_id(2)).await.unwrap(), None);
    assert_eq!(opened.store.counters().await.unwrap().http_orders, std::slice::from_ref(&order));
    let released = of(&order, HttpState::Released { quantity: quantity(2), new_stock: 10 });
    opened.store.commit(commit(vec![released.clone()])).await.unwrap();
    assert_eq!(opened.store.http_reservation(order, product_id(1)).await.unwrap(), Some(released));
    assert_eq!(opened.store.counters().await.unwrap().http_orders, []);
}

pub(super) async fn idempotency_records_are_kept_until_forgotten(opened: &Opened) {
    let record = |n: u8, millis: i64| IdempotencyRecord {
        scope: IdempotencyScope::from_bytes([n; 16]),
        fingerprint: [n; 32],
        answer: StoredAnswer { status: 200 + u16::from(n), body: Bytes::from(vec![n]) },
        at: holdfast_contract::Timestamp::from_millis(millis),
    };
    let commit =
        StockCommit { idempotent: vec![record(1, 1_000), record(2, 2_000)], ..StockCommit::default() };
    opened.store.commit(commit).await.unwrap();
    let read = |n: u8| opened.store.idempotent(IdempotencyScope::from_bytes([n; 16]));
    assert_eq!(read(1).await.unwrap(), Some(record(1, 1_000)));
    let before = holdfast_contract::Timestamp::from_millis(2_000);
    assert_eq!(opened.store.forget_idempotency(before).await.unwrap(), 1);
    assert_eq!(read(1).await.unwrap(), None);
    assert_eq!(read(2).await.unwrap(), Some(record(2, 2_000)));
}
