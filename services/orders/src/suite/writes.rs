//! [`OrderWrites`](crate::store::OrderWrites) and [`Idempotency`](crate::store::Idempotency).

use std::sync::Arc;

use holdfast_contract::{OrderStatus, Topic};
use holdfast_storage::StoreError;

use super::Subject;
use super::given::{
    GROUP, advance, answer, at, commit, copy, id, insert, placed, request, reserved, to, to_park, update,
};
use crate::domain::{Answer, Command, outstanding_request};
use crate::store::{Change, Commit, CommitError, OrderStore};

async fn exists(store: &dyn OrderStore, n: u32) -> bool {
    store.get(id(n)).await.expect("the store answers").is_some()
}

/// Contract §5, invariant 6: whatever fails, nothing of the commit is there; then the same commit works without it.
pub(super) async fn a_commit_is_all_or_nothing(subject: Box<dyn Subject>) {
    let store = subject.store();
    commit(&*subject, insert(1)).await;
    let before = subject.outgoing().await.len();
    let whole = |bad: Change| Commit {
        changes: vec![insert(2), insert(3), bad],
        idempotency: Some(answer(7, 0)),
        advances: vec![advance(None, 5)],
        park: vec![to_park(4)],
        copies: vec![copy()],
        ..Commit::default()
    };
    let missing = placed(9).order;
    for (bad, version) in [(insert(1), false), (update(&missing, reserved()), true)] {
        let error = store.commit(whole(bad)).await.expect_err("the last change is void");
        match error {
            CommitError::AlreadyExists(order) if !version => assert_eq!(order, id(1)),
            CommitError::VersionConflict(order) if version => assert_eq!(order, id(9)),
            other => panic!("{other:?}"),
        }
        assert!(!exists(&*store, 2).await && !exists(&*store, 3).await);
        assert_eq!(store.idempotent(&[7; 16]).await.expect("read"), None);
        assert_eq!(subject.inbox().positions(GROUP).await.expect("read"), []);
        assert!(subject.inbox().parked(GROUP, None, 10).await.expect("read").is_empty());
        assert_eq!(subject.outgoing().await.len(), before);
        assert_eq!(store.list(&crate::store::ListQuery::default()).await.expect("read").total, 1);
    }
    store.commit(whole(insert(4))).await.expect("taken");
    assert!(exists(&*store, 2).await && exists(&*store, 4).await);
    assert_eq!(store.idempotent(&[7; 16]).await.expect("read"), Some(answer(7, 0)));
    assert_eq!(subject.inbox().parked(GROUP, None, 10).await.expect("read").len(), 1);
    let sent = subject.outgoing().await.split_off(before);
    assert_eq!(sent.len(), 3 * 3 + 1);
    assert_eq!(sent.iter().filter(|record| record.topic == Topic::InventoryReservedDlq).count(), 1);
}

pub(super) async fn versions_are_compared_and_set(subject: Box<dyn Subject>) {
    let store = subject.store();
    let first = commit(&*subject, insert(1)).await;
    let second = commit(&*subject, update(&first, reserved())).await;
    for stale in
        [update(&first, to(OrderStatus::Cancelled)), Change::note(first.clone(), request("late"), at(9))]
    {
        let error = store.commit(Commit::of(stale)).await.expect_err("version 1 is gone");
        assert!(matches!(error, CommitError::VersionConflict(order) if order == id(1)), "{error:?}");
    }
    assert_eq!(store.get(id(1)).await.expect("read"), Some(second));
}

pub(super) async fn changes_of_one_order_in_one_commit_follow_each_other(subject: Box<dyn Subject>) {
    let store = subject.store();
    let both = |changes| Commit { changes, ..Commit::default() };
    let twice = store.commit(both(vec![insert(1), insert(1)])).await.expect_err("there is one by then");
    assert!(matches!(twice, CommitError::AlreadyExists(order) if order == id(1)), "{twice:?}");
    assert!(!exists(&*store, 1).await);
    let first = commit(&*subject, insert(1)).await;
    let changes = vec![update(&first, reserved()), update(&first, to(OrderStatus::Cancelled))];
    let stale =
        store.commit(both(changes)).await.expect_err("the second is of a version that is gone by then");
    assert!(matches!(stale, CommitError::VersionConflict(order) if order == id(1)), "{stale:?}");
    assert_eq!(store.get(id(1)).await.expect("read").as_ref(), Some(&first));
    let second = update(&first, reserved());
    let third = update(second.order(), to(OrderStatus::Processing));
    let last = third.order().clone();
    store.commit(both(vec![second, third])).await.expect("taken");
    assert_eq!(store.get(id(1)).await.expect("read"), Some(last));
}

pub(super) async fn an_idempotency_key_is_taken_once(subject: Box<dyn Subject>) {
    let store = subject.store();
    let with = |change, record| Commit { idempotency: Some(record), ..Commit::of(change) };
    store.commit(with(insert(1), answer(1, 0))).await.expect("taken");
    let again = store.commit(with(insert(2), answer(1, 5))).await.expect_err("the key is used");
    assert!(matches!(again, CommitError::IdempotencyTaken), "{again:?}");
    assert!(!exists(&*store, 2).await);
    // An answer without an effect is remembered too (a refusal).
    store.commit(Commit { idempotency: Some(answer(2, 10)), ..Commit::default() }).await.expect("taken");
    assert_eq!(store.purge(at(0)).await.expect("purged"), 0);
    assert_eq!(store.purge(at(10)).await.expect("purged"), 1);
    assert_eq!(store.idempotent(&[1; 16]).await.expect("read"), None);
    assert_eq!(store.idempotent(&[2; 16]).await.expect("read"), Some(answer(2, 10)));
    assert!(exists(&*store, 1).await);
}

/// Contract §5, invariant 9.
pub(super) async fn a_stale_worker_changes_nothing(subject: Box<dyn Subject>) {
    let store = subject.store();
    let with = |change, advance| Commit { advances: vec![advance], ..Commit::of(change) };
    store.commit(with(insert(1), advance(None, 5))).await.expect("taken");
    for from in [None, Some(4)] {
        let stale = advance(from, 9);
        let error = store.commit(with(insert(2), stale)).await.expect_err("stale");
        assert!(matches!(error, CommitError::Store(StoreError::StaleWorker { .. })), "{error:?}");
        assert!(!exists(&*store, 2).await);
    }
    store.commit(with(insert(2), advance(Some(5), 9))).await.expect("taken");
}

pub(super) async fn parked_messages_are_replayed_once(subject: Box<dyn Subject>) {
    let store = subject.store();
    store.commit(Commit { park: vec![to_park(3)], ..Commit::default() }).await.expect("parked");
    let parked = subject.inbox().parked(GROUP, None, 10).await.expect("read").remove(0).id;
    let replay = |n| Commit { unpark: Some(parked), ..Commit::of(insert(n)) };
    store.commit(replay(1)).await.expect("replayed");
    let again = store.commit(replay(2)).await.expect_err("it is gone");
    assert!(matches!(again, CommitError::ParkedGone), "{again:?}");
    assert!(!exists(&*store, 2).await);
}

pub(super) async fn records_go_out_in_order(subject: Box<dyn Subject>) {
    let first = insert(1);
    let (order, view) = (first.order().clone(), first.view());
    let cancelled = update(&order, to(OrderStatus::Cancelled));
    let changes = vec![first, cancelled];
    subject.store().commit(Commit { changes, ..Commit::default() }).await.expect("taken");
    let sent = subject.outgoing().await;
    let topics: Vec<Topic> = sent.iter().map(|record| record.topic).collect();
    assert_eq!(
        topics,
        [
            Topic::OrderCreated,
            Topic::InventoryReserve,
            Topic::OrderLive,
            Topic::OrderStatusChanged,
            Topic::OrderCancelled,
            Topic::InventoryRelease,
            Topic::OrderLive,
            Topic::OrderLive,
        ]
    );
    assert!(sent.iter().all(|record| record.key == order.id.to_string().as_bytes()));
    let live: serde_json::Value = serde_json::from_slice(&sent[2].payload).expect("JSON");
    assert_eq!(live["event"], "order:created");
    assert_eq!(live["order"], serde_json::from_slice::<serde_json::Value>(&view).expect("JSON"));
}

pub(super) async fn many_changes_in_one_commit(subject: Box<dyn Subject>) {
    let store = subject.store();
    let inserts: Vec<Change> = (0..500).map(insert).collect();
    let orders: Vec<_> = inserts.iter().map(|change| change.order().clone()).collect();
    store.commit(Commit { changes: inserts, ..Commit::default() }).await.expect("taken");
    subject.settle().await;
    let updates: Vec<Change> = orders.iter().map(|order| update(order, reserved())).collect();
    let newer: Vec<_> = updates.iter().map(|change| Some(change.order().clone())).collect();
    store.commit(Commit { changes: updates, ..Commit::default() }).await.expect("taken");
    let ids: Vec<_> = (0..500).map(id).collect();
    assert_eq!(store.get_many(&ids).await.expect("read"), newer);
}

pub(super) async fn what_is_written_is_read(subject: Box<dyn Subject>) {
    let first = commit(&*subject, insert(1)).await;
    let second = commit(&*subject, insert(2)).await;
    let check = async |subject: &dyn Subject, first: &Arc<crate::domain::Order>| {
        let store = subject.store();
        assert_eq!(store.get(id(1)).await.expect("read").as_ref(), Some(first));
        assert_eq!(store.get(id(3)).await.expect("read"), None);
        let many = store.get_many(&[id(2), id(3), id(1)]).await.expect("read");
        assert_eq!(many, [Some(second.clone()), None, Some(first.clone())]);
    };
    check(&*subject, &first).await;
    subject.settle().await;
    check(&*subject, &first).await;
    let first = commit(&*subject, update(&first, reserved())).await;
    check(&*subject, &first).await;
    let subject = subject.reopen().await;
    check(&*subject, &first).await;
    let first = commit(&*subject, update(&first, Command::Hide)).await;
    check(&*subject, &first).await;
}

pub(super) async fn a_scan_shows_every_order(subject: Box<dyn Subject>) {
    let mut expected = Vec::new();
    for n in [4, 1, 3, 0, 2] {
        expected.push(commit(&*subject, insert(n)).await);
    }
    expected.sort_unstable_by_key(|order| order.id);
    expected[1] = commit(&*subject, update(&expected[1], Command::Hide)).await;
    expected[2] = commit(&*subject, update(&expected[2], reserved())).await;
    let mut found: Vec<Arc<crate::domain::Order>> = Vec::new();
    loop {
        let page = subject.store().scan(found.last().map(|order| order.id), 2).await.expect("read");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
}

pub(super) async fn what_waits_for_products_is_found(subject: Box<dyn Subject>) {
    let undecided = commit(&*subject, insert(1)).await;
    let decided = commit(&*subject, insert(2)).await;
    let decided = commit(&*subject, update(&decided, reserved())).await;
    let hidden = commit(&*subject, insert(3)).await;
    let hidden = commit(&*subject, update(&hidden, Command::Hide)).await;
    let check = async |subject: &dyn Subject, expected: &[&Arc<crate::domain::Order>]| {
        // What is not published yet need not be found.
        subject.outgoing().await;
        let store = subject.store();
        let due = store.outstanding(at(1_000), None, 10).await.expect("read");
        assert_eq!(due.iter().collect::<Vec<_>>(), expected);
        let after = store.outstanding(at(1_000), Some(id(1)), 10).await.expect("read");
        assert_eq!(after.len(), expected.iter().filter(|order| order.id > id(1)).count());
        assert_eq!(store.outstanding(at(1_000), None, 1).await.expect("read").len(), expected.len().min(1));
        assert!(store.outstanding(at(0), None, 10).await.expect("read").is_empty());
    };
    check(&*subject, &[&undecided, &hidden]).await;
    subject.settle().await;
    check(&*subject, &[&undecided, &hidden]).await;
    let subject = subject.reopen().await;
    check(&*subject, &[&undecided, &hidden]).await;
    let packing = commit(&*subject, update(&decided, to(OrderStatus::Processing))).await;
    let shipped = commit(&*subject, update(&packing, to(OrderStatus::Shipped))).await;
    let released = Answer::Released(holdfast_contract::event::ReleaseOutcome::Released);
    commit(&*subject, update(&hidden, Command::Answer(released))).await;
    check(&*subject, &[&undecided, &shipped]).await;
    subject.settle().await;
    check(&*subject, &[&undecided, &shipped]).await;

    let before = subject.outgoing().await.len();
    let again = outstanding_request(&undecided).expect("it waits");
    commit(&*subject, Change::resend(undecided.clone(), again, at(2_000))).await;
    let sent = subject.outgoing().await.split_off(before);
    assert_eq!(sent.iter().map(|record| record.topic).collect::<Vec<_>>(), [Topic::InventoryReserve]);
    assert_eq!(subject.store().get(id(1)).await.expect("read"), Some(undecided));
}
