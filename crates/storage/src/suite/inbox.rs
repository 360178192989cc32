//! Cases of the inbox.

use std::sync::Arc;

use holdfast_contract::{Partition, Timestamp, Topic};

use super::{Commit, Harness, Store, append, order_key, outgoing};
use crate::{
    Advance, Group, Incarnation, ParkCause, ParkedFilter, ParkedId, Position, Record, Seq, StoreError,
    ToPark, TopicPartition,
};

const GROUP: Group = "suite-group";

fn partition(p: u16) -> TopicPartition {
    TopicPartition { topic: Topic::InventoryReserve, partition: Partition(p) }
}

fn at(incarnation: u64, next: u64) -> Position {
    Position { incarnation: Incarnation(incarnation), next }
}

fn moving(p: u16, from: Option<Position>, to: Position) -> Commit {
    Commit {
        advances: vec![Advance { group: GROUP, partition: partition(p), from, to }],
        ..Commit::default()
    }
}

pub(super) async fn positions_are_compare_and_set(store: Arc<dyn Store>) {
    assert!(store.inbox().positions(GROUP).await.unwrap().is_empty());
    store.commit(moving(0, None, at(1, 5))).await.unwrap();
    store.commit(moving(1, None, at(1, 7))).await.unwrap();
    store.commit(moving(0, Some(at(1, 5)), at(u64::MAX, 0))).await.unwrap();
    let mut positions = store.inbox().positions(GROUP).await.unwrap();
    positions.sort_by_key(|(p, _)| *p);
    assert_eq!(positions, [(partition(0), at(u64::MAX, 0)), (partition(1), at(1, 7))]);
    assert!(store.inbox().positions("another-group").await.unwrap().is_empty());
}

pub(super) async fn a_stale_worker_changes_nothing(store: Arc<dyn Store>) {
    store.commit(moving(0, None, at(1, 5))).await.unwrap();
    let wrong = [None, Some(at(1, 4)), Some(at(2, 5))];
    for from in wrong {
        let mut commit = moving(0, from, at(1, 9));
        commit
            .advances
            .insert(0, Advance { group: GROUP, partition: partition(2), from: None, to: at(1, 1) });
        commit.outgoing.push(outgoing(Topic::OrderLive, 1));
        let error = store.commit(commit).await.unwrap_err();
        assert!(matches!(error, StoreError::StaleWorker { group: GROUP, .. }), "{error}");
    }
    assert_eq!(store.inbox().positions(GROUP).await.unwrap(), [(partition(0), at(1, 5))]);
    assert_eq!(*store.journal().committed().borrow(), Seq(0));
}

fn parking(record: &Arc<Record>, cause: ParkCause) -> ToPark {
    let at = Timestamp::from_millis(1_763_600_000_500);
    ToPark { group: GROUP, record: record.clone(), order: Some(order_key(1)), cause, at }
}

pub(super) async fn parked_messages_stay_until_removed(harness: &dyn Harness, n: u32) {
    let store = harness.open(n).await;
    let records = append(&*store, Topic::InventoryReserve, 0..3).await;
    let park = vec![
        parking(&records[2], ParkCause::Poison("broken".to_owned())),
        parking(&records[0], ParkCause::Behind),
        ToPark { order: None, ..parking(&records[1], ParkCause::Poison("no order".to_owned())) },
    ];
    let mut failing = moving(0, Some(at(9, 9)), at(1, 1));
    failing.park.clone_from(&park);
    assert!(store.commit(failing).await.is_err());
    assert!(
        store.inbox().parked(GROUP, None, 10).await.unwrap().is_empty(),
        "parked with the position or not"
    );

    store.commit(Commit { park, ..moving(0, None, at(1, 1)) }).await.unwrap();
    store.close().await;
    let store = harness.open(n).await;
    let parked = store.inbox().parked(GROUP, None, 10).await.unwrap();
    let places: Vec<_> = parked.iter().map(|p| (p.record.partition, p.record.offset)).collect();
    assert_eq!(places, [2, 0, 1].map(|i: usize| (records[i].partition, records[i].offset)));
    assert_eq!(parked[0].cause, ParkCause::Poison("broken".to_owned()));
    assert_eq!(parked[1].cause, ParkCause::Behind);
    assert_eq!((parked[2].order.clone(), parked[0].order.clone()), (None, Some(order_key(1))));
    assert_eq!(parked[0].record.payload, records[2].payload);
    assert_eq!(parked[0].record.traceparent, records[2].traceparent);
    assert_eq!(store.inbox().parked(GROUP, Some(parked[0].id), 1).await.unwrap()[0].id, parked[1].id);
    assert!(store.inbox().parked("another-group", None, 10).await.unwrap().is_empty());

    let remove = |fail| Commit { unpark: Some(parked[1].id), fail_at_the_end: fail, ..Commit::default() };
    assert!(store.commit(remove(true)).await.is_err());
    assert_eq!(
        store.inbox().parked(GROUP, None, 10).await.unwrap().len(),
        3,
        "removed with the effect or not"
    );
    store.commit(remove(false)).await.unwrap();
    let left: Vec<_> = store.inbox().parked(GROUP, None, 10).await.unwrap().iter().map(|p| p.id).collect();
    assert_eq!(left, [parked[0].id, parked[2].id]);
    assert!(store.commit(remove(false)).await.is_err(), "nobody replays a message twice");
}

pub(super) async fn nothing_is_parked_behind_nothing(store: Arc<dyn Store>) {
    let records = append(&*store, Topic::InventoryReserve, 0..1).await;
    let behind = parking(&records[0], ParkCause::Behind);
    let commit = |park: Vec<ToPark>| Commit { park, ..Commit::default() };
    let other_topic = Arc::new(Record { topic: Topic::InventoryRelease, ..(*records[0]).clone() });
    let nameless = ToPark { order: None, ..behind.clone() };
    for (parked, alone) in [
        (vec![], behind.clone()),
        (vec![parking(&other_topic, ParkCause::Poison("another topic".to_owned()))], behind.clone()),
        (vec![], ToPark { order: Some(order_key(2)), ..behind.clone() }),
        (vec![], ToPark { group: "another-group", ..behind.clone() }),
        (vec![], nameless),
    ] {
        store.commit(commit(parked)).await.unwrap();
        let failing = Commit { advances: moving(0, None, at(1, 1)).advances, ..commit(vec![alone]) };
        let error = store.commit(failing).await.unwrap_err();
        assert!(matches!(error, StoreError::NothingBefore { .. }) && error.is_stale(), "{error}");
    }
    assert!(store.inbox().positions(GROUP).await.unwrap().is_empty(), "with all of the commit");

    // Behind one of the same commit, then behind that one, until the last is gone.
    let poison = parking(&records[0], ParkCause::Poison("broken".to_owned()));
    store.commit(commit(vec![poison, behind.clone()])).await.unwrap();
    store.commit(commit(vec![behind.clone()])).await.unwrap();
    let filter = ParkedFilter { topic: Some(Topic::InventoryReserve), order: Some(order_key(1)) };
    for parked in store.inbox().parked_like(GROUP, &filter, None, 10).await.unwrap() {
        store.commit(Commit { unpark: Some(parked.id), ..Commit::default() }).await.unwrap();
    }
    assert!(store.commit(commit(vec![behind])).await.is_err());
}

pub(super) async fn parked_messages_are_found_and_counted(store: Arc<dyn Store>) {
    let records = append(&*store, Topic::InventoryReserve, 0..40).await;
    let inbox = store.inbox();
    assert!(inbox.parked_counts(GROUP).await.unwrap().is_empty());
    let poison = |n: usize, order: Option<u16>| ToPark {
        order: order.map(order_key),
        ..parking(&records[n], ParkCause::Poison("broken".to_owned()))
    };
    let release = Arc::new(Record { topic: Topic::InventoryRelease, ..(*records[0]).clone() });
    let mut park: Vec<ToPark> = (0..20).map(|n| poison(n, Some(n as u16 % 3))).collect();
    park.push(poison(20, None));
    park.push(parking(&release, ParkCause::Poison("broken".to_owned())));
    park.push(ToPark { group: "another-group", ..poison(21, Some(0)) });
    store.commit(Commit { park, ..Commit::default() }).await.unwrap();

    let like = |topic, order: Option<u16>| ParkedFilter { topic, order: order.map(order_key) };
    let count =
        async |filter: ParkedFilter| inbox.parked_like(GROUP, &filter, None, 100).await.unwrap().len();
    let reserve = Some(Topic::InventoryReserve);
    for (filter, expected) in [
        (like(None, None), 22),
        (like(reserve, None), 21),
        (like(Some(Topic::InventoryRelease), None), 1),
        (like(reserve, Some(1)), 7),
        (like(None, Some(1)), 8),
        (like(reserve, Some(9)), 0),
        (like(Some(Topic::OrderCreated), Some(1)), 0),
    ] {
        assert_eq!(count(filter.clone()).await, expected, "{filter:?}");
    }
    // By pages, in the order they were parked in.
    let filter = like(reserve, Some(0));
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = inbox.parked_like(GROUP, &filter, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        ids.extend(page.iter().map(|parked| parked.id));
    }
    assert!(ids.len() == 7 && ids.is_sorted(), "{ids:?}");
    let one = inbox.parked_message(GROUP, ids[3]).await.unwrap().unwrap();
    assert_eq!((one.id, one.order.clone()), (ids[3], Some(order_key(0))));
    assert!(inbox.parked_message("another-group", ids[3]).await.unwrap().is_none());
    assert!(inbox.parked_message(GROUP, ParkedId(i64::MAX)).await.unwrap().is_none());

    let mut counts = inbox.parked_counts(GROUP).await.unwrap();
    counts.sort_unstable();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 22);
    let mut expected: Vec<(TopicPartition, u64)> = Vec::new();
    for record in records[..21].iter().chain([&release]) {
        match expected.iter_mut().find(|(p, _)| *p == record.topic_partition()) {
            Some((_, count)) => *count += 1,
            None => expected.push((record.topic_partition(), 1)),
        }
    }
    expected.sort_unstable();
    assert_eq!(counts, expected);

    let asked = vec![
        (Topic::InventoryReserve, order_key(0)),
        (Topic::InventoryRelease, order_key(0)),
        (Topic::InventoryRelease, order_key(1)),
        (Topic::InventoryReserve, order_key(5)),
    ];
    let mut found = inbox.parked_orders(GROUP, asked.clone()).await.unwrap();
    found.sort();
    assert_eq!(found, [asked[0].clone(), asked[2].clone()]);
    assert!(inbox.parked_orders("nobody", asked).await.unwrap().is_empty());
    assert!(inbox.parked_orders(GROUP, Vec::new()).await.unwrap().is_empty());
}
