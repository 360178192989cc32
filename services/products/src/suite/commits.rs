//! Commits: all or nothing, and read back as they were made.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::{Partition, Topic};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{
    Advance, Incarnation, Outgoing, ParkCause, Position, Record, Seq, StoreError, ToPark, TopicPartition,
};

use super::Subject;
use super::sample::{
    at, decided, details, origin, product, product_id, put, request, reservation_id, shelf, taken,
};
use crate::domain::{Desk, MovementId};
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

async fn said(subject: &dyn Subject) -> Vec<Bytes> {
    subject.outgoing().await.iter().map(|r| r.payload.clone()).collect()
}

pub(super) async fn what_was_committed_is_read_back(subject: Box<dyn Subject>) {
    assert_eq!(subject.store().counters().await.unwrap(), Counters::default());
    let mut desk = Desk::new(None);
    put(&*subject, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    assert_eq!(shelf(&*subject, 1).await, *desk.shelf(product_id(1)).unwrap());
    let held = decided(desk.reserve(&request(1, &[(1, 2), (1, 3)]), None, false, &origin()).unwrap());
    let commit = StockCommit {
        decisions: vec![held.clone()],
        outgoing: vec![outgoing("{}")],
        advances: vec![advance(None, 4)],
        ..taken(&mut desk)
    };
    subject.store().commit(commit).await.unwrap();
    let mut subject = subject;
    for reopened in [false, true] {
        if reopened {
            subject = subject.reopen().await;
        }
        let store = subject.store();
        let read = shelf(&*subject, 1).await;
        assert_eq!(read, *desk.shelf(product_id(1)).unwrap());
        assert_eq!((read.level.on_hand(), read.level.reserved()), (10, 5));
        let decisions = store.decisions(vec![reservation_id(1), reservation_id(2)]).await.unwrap();
        assert_eq!(decisions, std::slice::from_ref(&held));
        assert_eq!(
            store.positions(PRODUCTS_GROUP).await.unwrap(),
            [(advance(None, 4).partition, advance(None, 4).to)]
        );
        assert_eq!(said(&*subject).await, ["{}"]);
        let counters = store.counters().await.unwrap();
        assert_eq!(counters.last_movement, Some(MovementId(3)));
        assert_eq!(counters.newest_reservation, Some(reservation_id(1)));
        assert_eq!(store.shelves(vec![product_id(9)]).await.unwrap(), []);
    }
}

/// A commit that changes one of everything, from what `desk` knows.
fn everything(desk: &mut Desk, n: u16) -> StockCommit {
    let held = decided(desk.reserve(&request(n, &[(1, 1)]), None, false, &origin()).unwrap());
    StockCommit { decisions: vec![held], outgoing: vec![outgoing("{}")], ..taken(desk) }
}

async fn nothing_has_changed(subject: &dyn Subject, before: &Desk) {
    assert_eq!(shelf(subject, 1).await, *before.shelf(product_id(1)).unwrap());
    assert_eq!(subject.store().decisions(vec![reservation_id(2)]).await.unwrap(), []);
    assert_eq!(said(subject).await, Vec::<Bytes>::new());
    assert_eq!(subject.store().holds(product_id(1), None, 10).await.unwrap(), []);
    assert_eq!(subject.store().counters().await.unwrap().last_movement, Some(MovementId(1)));
}

pub(super) async fn a_stale_product_voids_the_whole_commit(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    let stored = desk.clone();
    // Somebody else's change, that this desk takes for stored.
    desk.adjust(product_id(1), 1, &origin()).unwrap();
    desk.take();
    let mut commit = everything(&mut desk, 2);
    commit.advances.push(advance(None, 1));
    let refused = subject.store().commit(commit).await;
    assert!(matches!(refused, Err(CommitError::Stale(id)) if id == product_id(1)), "{refused:?}");
    nothing_has_changed(subject, &stored).await;
    assert_eq!(subject.store().positions(PRODUCTS_GROUP).await.unwrap(), []);
    // A product that is new to somebody else too.
    let mut other = Desk::new(Some(MovementId(1)));
    other.create(product(1, details("Lamp", 2_999)), 0, &origin()).unwrap();
    assert!(matches!(subject.store().commit(taken(&mut other)).await, Err(CommitError::Stale(_))));
}

pub(super) async fn a_stale_position_voids_the_whole_commit(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    let stored = desk.clone();
    let first = StockCommit { advances: vec![advance(None, 5)], ..StockCommit::default() };
    subject.store().commit(first).await.unwrap();
    for from in [None, Some(4), Some(6)] {
        let mut desk = stored.clone();
        let mut commit = everything(&mut desk, 2);
        commit.advances.push(advance(from, 9));
        let stale = subject.store().commit(commit).await;
        assert!(
            matches!(stale, Err(CommitError::Store(StoreError::StaleWorker { .. }))),
            "invariant 9: {stale:?}"
        );
        nothing_has_changed(subject, &stored).await;
    }
}

/// A batch comes from several partitions, some of which may be another worker's by now.
pub(super) async fn one_stale_position_of_several_voids_the_whole_commit(subject: &dyn Subject) {
    let of = |partition, from, to| Advance {
        partition: TopicPartition { partition: Partition(partition), ..advance(from, to).partition },
        ..advance(from, to)
    };
    let commit = |advances| StockCommit { advances, ..StockCommit::default() };
    let first = vec![of(0, None, 3), of(1, None, 5)];
    subject.store().commit(commit(first)).await.unwrap();
    let stored = subject.store().positions(PRODUCTS_GROUP).await.unwrap();
    for (stale, advances) in [
        (1, vec![of(0, Some(3), 4), of(1, Some(4), 6), of(2, None, 1)]),
        (0, vec![of(0, None, 4), of(1, Some(5), 6)]),
        (2, vec![of(0, Some(3), 4), of(1, Some(5), 6), of(2, Some(1), 2)]),
        // Done before: everything is where it is to be.
        (1, vec![of(1, Some(4), 5)]),
    ] {
        let refused = subject.store().commit(commit(advances)).await;
        let Err(CommitError::Store(StoreError::StaleWorker { partition, .. })) = refused else {
            panic!("invariant 9: {refused:?}")
        };
        assert_eq!(partition.partition, Partition(stale));
        assert_eq!(subject.store().positions(PRODUCTS_GROUP).await.unwrap(), stored);
    }
    subject.store().commit(commit(vec![of(2, None, 1), of(0, Some(3), 4), of(1, Some(5), 6)])).await.unwrap();
    let mut next: Vec<_> = subject.store().positions(PRODUCTS_GROUP).await.unwrap();
    next.sort_unstable_by_key(|(partition, _)| *partition);
    assert_eq!(next.iter().map(|(_, position)| position.next).collect::<Vec<_>>(), [4, 6, 1]);
}

/// Somebody else has moved another product meanwhile: the numbers of movements would come twice.
pub(super) async fn a_stale_ledger_voids_the_whole_commit(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    put(subject, &mut desk, product(2, details("Desk", 9_999)), 10).await;
    let (stored, mut other) = (desk.clone(), desk.clone());
    other.adjust(product_id(2), 1, &origin()).unwrap();
    subject.store().commit(taken(&mut other)).await.unwrap();
    let mut commit = everything(&mut desk, 2);
    commit.advances.push(advance(None, 1));
    assert!(subject.store().commit(commit).await.is_err());
    assert_eq!(shelf(subject, 1).await, *stored.shelf(product_id(1)).unwrap());
    assert_eq!(subject.store().decisions(vec![reservation_id(2)]).await.unwrap(), []);
    assert_eq!(said(subject).await, Vec::<Bytes>::new());
    assert_eq!(subject.store().positions(PRODUCTS_GROUP).await.unwrap(), []);
    assert!(crate::audit::audit(&*subject.store()).await.unwrap().is_clean());
}

/// Both decide from the same knowledge, at the same time.
pub(super) async fn of_two_writers_one_is_void(subject: &dyn Subject) {
    const ROUNDS: u16 = 20;
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 2_999)), 1_000).await;
    let stores = [subject.store(), subject.other_instance().await.unwrap_or_else(|| subject.store())];
    for round in 0..ROUNDS {
        let (mut first, mut second) = (desk.clone(), desk.clone());
        let one = stores[0].commit(everything(&mut first, 2 * round + 1));
        let two = stores[1].commit(everything(&mut second, 2 * round + 2));
        let (one, two) = tokio::join!(one, two);
        assert!(one.is_ok() != two.is_ok(), "{one:?}, {two:?}");
        desk = if one.is_ok() { first } else { second };
    }
    assert_eq!(shelf(subject, 1).await, *desk.shelf(product_id(1)).unwrap());
    assert_eq!(said(subject).await.len(), usize::from(ROUNDS));
    assert!(crate::audit::audit(&*subject.store()).await.unwrap().is_clean());
}

/// As many messages as a batch has, with as many lines as an order may have, and calls beside them.
pub(super) async fn a_large_commit_is_one(subject: &dyn Subject) {
    const ORDERS: u16 = 600;
    let mut desk = Desk::new(None);
    for n in 0..=200 {
        put(subject, &mut desk, product(n, details("Lamp", 2_999)), 1_000_000).await;
    }
    let mut commit = StockCommit { advances: vec![advance(None, 600)], ..StockCommit::default() };
    for n in 1..=ORDERS {
        let lines: Vec<_> = (0..if n % 100 == 0 { 200 } else { 8 }).map(|line| (line, 1)).collect();
        let held = decided(desk.reserve(&request(n, &lines), None, false, &origin()).unwrap());
        commit.decisions.push(held.clone());
        if n % 3 == 0 {
            let given_back = desk.release(reservation_id(n), false, Some(&held), &origin()).unwrap();
            commit.decisions.push(decided(given_back));
        }
        let text: String = "x".repeat(usize::from(n) * 20);
        commit.outgoing.push(Outgoing { payload: format!("{{\"{n}\":\"{text}\"}}").into(), ..outgoing("") });
    }
    let payloads: Vec<_> = commit.outgoing.iter().map(|record| record.payload.clone()).collect();
    let last = commit.decisions.clone();
    let StockCommit { stock, movements, opened, closed, .. } = taken(&mut desk);
    subject.store().commit(StockCommit { stock, movements, opened, closed, ..commit }).await.unwrap();
    assert_eq!(said(subject).await, payloads);
    let ids = (1..=ORDERS).map(reservation_id).collect();
    for read in subject.store().decisions(ids).await.unwrap() {
        assert_eq!(Some(&read), last.iter().rfind(|decision| decision.id == read.id));
    }
    assert!(crate::audit::audit(&*subject.store()).await.unwrap().is_clean());
}

pub(super) async fn a_parked_message_is_removed_once(subject: &dyn Subject) {
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
    subject.store().commit(commit).await.unwrap();
    let parked = subject.store().parked(PRODUCTS_GROUP, None, 10).await.unwrap().pop().unwrap();
    let attempted = StockCommit { attempted: vec![parked.id], ..StockCommit::default() };
    subject.store().commit(attempted).await.unwrap();
    assert_eq!(subject.store().parked(PRODUCTS_GROUP, None, 10).await.unwrap()[0].attempts, 1);
    let remove =
        || StockCommit { unpark: vec![parked.id], outgoing: vec![outgoing("{}")], ..StockCommit::default() };
    subject.store().commit(remove()).await.unwrap();
    assert!(matches!(subject.store().commit(remove()).await, Err(CommitError::AlreadyUnparked)));
    assert_eq!(said(subject).await.len(), 1);
    assert!(subject.store().parked(PRODUCTS_GROUP, None, 10).await.unwrap().is_empty());
}

fn record(n: u8, millis: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        scope: IdempotencyScope::from_bytes([n; 16]),
        fingerprint: [n; 32],
        answer: StoredAnswer { status: 200 + u16::from(n), body: Bytes::from(vec![n]) },
        at: holdfast_contract::Timestamp::from_millis(millis),
    }
}

pub(super) async fn an_idempotency_record_is_never_replaced(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 2_999)), 10).await;
    let stored = desk.clone();
    let first = StockCommit { idempotent: vec![record(1, 1_000)], ..StockCommit::default() };
    subject.store().commit(first).await.unwrap();
    let again = IdempotencyRecord { scope: record(1, 0).scope, ..record(2, 2_000) };
    let commit = StockCommit { idempotent: vec![record(3, 3_000), again], ..everything(&mut desk, 2) };
    assert!(subject.store().commit(commit).await.is_err(), "the same request has an answer");
    nothing_has_changed(subject, &stored).await;
    assert_eq!(subject.store().idempotent(record(1, 0).scope).await.unwrap(), Some(record(1, 1_000)));
    assert_eq!(subject.store().idempotent(record(3, 0).scope).await.unwrap(), None);
}

pub(super) async fn idempotency_records_are_kept_until_forgotten(subject: &dyn Subject) {
    let commit =
        StockCommit { idempotent: vec![record(1, 1_000), record(2, 2_000)], ..StockCommit::default() };
    subject.store().commit(commit).await.unwrap();
    let store = subject.store();
    let read = |n: u8| store.idempotent(IdempotencyScope::from_bytes([n; 16]));
    assert_eq!(read(1).await.unwrap(), Some(record(1, 1_000)));
    let before = holdfast_contract::Timestamp::from_millis(2_000);
    assert_eq!(subject.store().forget_idempotency(before).await.unwrap(), 1);
    assert_eq!(read(1).await.unwrap(), None);
    assert_eq!(read(2).await.unwrap(), Some(record(2, 2_000)));
}
