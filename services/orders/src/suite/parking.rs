//! What a commit does to parked messages, and what the inbox says of them.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_storage::{Inbox, ParkCause, ParkedFilter, ParkedId, Record, StoreError, ToPark};

use super::Subject;
use super::given::{GROUP, advance, to_park};
use crate::store::{Commit, CommitError};

fn of_order(offset: u64, order: &'static str, cause: ParkCause) -> ToPark {
    let message = to_park(offset);
    ToPark { order: Some(Bytes::from_static(order.as_bytes())), cause, ..message }
}

fn poison(offset: u64, order: &'static str) -> ToPark {
    of_order(offset, order, ParkCause::Poison("broken".to_owned()))
}

fn behind(offset: u64, order: &'static str) -> ToPark {
    of_order(offset, order, ParkCause::Behind)
}

fn parking(park: Vec<ToPark>) -> Commit {
    Commit { park, ..Commit::default() }
}

async fn all(inbox: &dyn Inbox) -> Vec<holdfast_storage::Parked> {
    inbox.parked(GROUP, None, 100).await.expect("read")
}

pub(super) async fn failed_replays_are_counted(subject: Box<dyn Subject>) {
    let store = subject.store();
    store.commit(parking(vec![poison(1, "x"), poison(2, "y")])).await.expect("parked");
    let ids: Vec<ParkedId> = all(&*subject.inbox()).await.iter().map(|parked| parked.id).collect();
    let attempted = |ids: Vec<ParkedId>| Commit { attempted: ids, ..Commit::default() };
    store.commit(attempted(vec![ids[0]])).await.expect("counted");
    store.commit(attempted(ids.clone())).await.expect("counted");
    // With the rest of the commit or not at all.
    let stale = Commit { advances: vec![advance(Some(7), 9)], ..attempted(ids.clone()) };
    store.commit(stale).await.expect_err("stale");
    // One that is gone is passed over.
    store.commit(attempted(vec![ParkedId(999)])).await.expect("counted");
    let attempts = async |subject: &dyn Subject| -> Vec<u32> {
        all(&*subject.inbox()).await.iter().map(|parked| parked.attempts).collect()
    };
    assert_eq!(attempts(&*subject).await, [2, 1]);
    let subject = subject.reopen().await;
    assert_eq!(attempts(&*subject).await, [2, 1]);
}

pub(super) async fn nothing_is_parked_behind_nothing(subject: Box<dyn Subject>) {
    let store = subject.store();
    for park in [vec![behind(1, "x")], vec![poison(1, "y"), behind(2, "x")]] {
        let commit = Commit { advances: vec![advance(None, 5)], ..parking(park) };
        let error = store.commit(commit).await.expect_err("nothing of the order is parked");
        assert!(matches!(error, CommitError::Store(StoreError::NothingBefore { .. })), "{error:?}");
    }
    assert_eq!(subject.inbox().positions(GROUP).await.expect("read"), []);
    assert!(all(&*subject.inbox()).await.is_empty());
    store.commit(parking(vec![poison(1, "x"), behind(2, "x")])).await.expect("behind one of its own");
    store.commit(parking(vec![behind(3, "x")])).await.expect("behind an earlier one");
    for parked in all(&*subject.inbox()).await {
        store.commit(Commit { unpark: Some(parked.id), ..Commit::default() }).await.expect("replayed");
    }
    store.commit(parking(vec![behind(4, "x")])).await.expect_err("all are replayed");
}

pub(super) async fn parked_messages_are_found_and_counted(subject: Box<dyn Subject>) {
    let elsewhere = |message: ToPark| {
        let record = Record { topic: Topic::InventoryReleased, ..(*message.record).clone() };
        ToPark { record: Arc::new(record), ..message }
    };
    let park = vec![
        poison(1, "x"),
        poison(2, "y"),
        behind(3, "x"),
        elsewhere(poison(1, "x")),
        to_park(4),
        ToPark { group: "another-group", ..poison(5, "x") },
    ];
    subject.store().commit(parking(park)).await.expect("parked");
    let inbox = subject.inbox();
    let offsets = async |topic, order: Option<&'static str>| -> Vec<u64> {
        let filter = ParkedFilter { topic, order: order.map(|order| Bytes::from_static(order.as_bytes())) };
        let found = inbox.parked_like(GROUP, &filter, None, 10).await.expect("read");
        found.iter().map(|parked| parked.record.offset).collect()
    };
    let (reserved, released) = (Some(Topic::InventoryReserved), Some(Topic::InventoryReleased));
    assert_eq!(offsets(None, None).await, [1, 2, 3, 1, 4]);
    assert_eq!(offsets(reserved, None).await, [1, 2, 3, 4]);
    assert_eq!(offsets(reserved, Some("x")).await, [1, 3]);
    assert_eq!(offsets(None, Some("x")).await, [1, 3, 1]);
    assert_eq!(offsets(released, Some("y")).await, [0; 0]);
    let first = all(&*inbox).await[0].id;
    let filter = ParkedFilter { topic: reserved, ..ParkedFilter::default() };
    let after = inbox.parked_like(GROUP, &filter, Some(first), 2).await.expect("read");
    assert_eq!(after.iter().map(|parked| parked.record.offset).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(inbox.parked_message(GROUP, first).await.expect("read").map(|p| p.id), Some(first));
    assert!(inbox.parked_message("another-group", first).await.expect("read").is_none());
    let counts = inbox.parked_counts(GROUP).await.expect("read");
    let of = |topic| counts.iter().find(|(p, _)| p.topic == topic).map(|(_, count)| *count);
    assert_eq!(
        (counts.len(), of(Topic::InventoryReserved), of(Topic::InventoryReleased)),
        (2, Some(4), Some(1))
    );
    let asked =
        [(Topic::InventoryReserved, "y"), (Topic::InventoryReleased, "y"), (Topic::InventoryReleased, "x")]
            .map(|(topic, order)| (topic, Bytes::from_static(order.as_bytes())));
    let mut found = inbox.parked_orders(GROUP, asked.to_vec()).await.expect("read");
    found.sort();
    assert_eq!(found, [asked[0].clone(), asked[2].clone()]);
}

/// One instance parks later messages of an order while another replays what is there: each is either parked behind one that
/// is still there, and found by whoever looks after the last replay, or refused.
pub(super) async fn replays_and_parking_at_once_leave_nothing_behind(subject: Box<dyn Subject>) {
    let store = subject.store();
    let inbox = subject.inbox();
    for round in 0..10 {
        store.commit(parking(vec![poison(round * 10, "x")])).await.expect("parked");
        let park = async {
            for n in 1..4 {
                match store.commit(parking(vec![behind(round * 10 + n, "x")])).await {
                    Ok(_) | Err(CommitError::Store(StoreError::NothingBefore { .. })) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let replay = async {
            while let Some(first) = all(&*inbox).await.first() {
                let commit = Commit { unpark: Some(first.id), ..Commit::default() };
                store.commit(commit).await.expect("nobody else replays");
            }
        };
        // Who replays has seen nothing left; from then on nothing can be parked behind anything.
        tokio::join!(park, replay);
        assert!(all(&*inbox).await.is_empty(), "round {round}");
    }
}
