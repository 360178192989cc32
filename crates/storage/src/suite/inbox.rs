//! Cases of the inbox.

use std::sync::Arc;

use holdfast_contract::{Partition, Timestamp, Topic};

use super::{Commit, Harness, Store, append, order_key, outgoing};
use crate::{
    Advance, Group, Incarnation, ParkCause, Position, Record, Seq, StoreError, ToPark, TopicPartition,
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
