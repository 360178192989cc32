//! Cases of the journal.

use std::sync::Arc;

use holdfast_contract::Topic;
use holdfast_contract::topic::partition_of;
use rustc_hash::FxHashMap;

use super::{Commit, Harness, Store, append, outgoing};
use crate::{Seq, TopicPartition};

const TOPICS: [Topic; 2] = [Topic::InventoryReserve, Topic::OrderLive];

pub(super) async fn offsets_and_seqs_count_without_gaps(store: Arc<dyn Store>) {
    let mut records = append(&*store, TOPICS[0], 0..30).await;
    records.extend(append(&*store, TOPICS[1], 0..30).await);
    records.extend(append(&*store, TOPICS[0], 30..60).await);
    let mut next: FxHashMap<TopicPartition, u64> = FxHashMap::default();
    for (n, record) in (1..).zip(&records) {
        assert_eq!(record.seq, Seq(n));
        assert_eq!(record.partition, partition_of(&record.key, 3));
        let offset = next.entry(record.topic_partition()).or_default();
        assert_eq!(record.offset, *offset);
        *offset += 1;
    }
    assert_eq!(store.journal().read(Seq(0), 1000).await.unwrap(), records);
    for bounds in store.journal().bounds().await.unwrap() {
        assert_eq!((bounds.start, bounds.end), (0, next.get(&bounds.partition).copied().unwrap_or(0)));
    }
}

pub(super) async fn a_failed_commit_leaves_nothing(store: Arc<dyn Store>) {
    append(&*store, TOPICS[0], 0..3).await;
    let failing = Commit {
        outgoing: (3..9).map(|n| outgoing(TOPICS[1], n)).collect(),
        fail_at_the_end: true,
        ..Commit::default()
    };
    assert!(store.commit(failing).await.is_err());
    assert_eq!(*store.journal().committed().borrow(), Seq(3));
    let after = append(&*store, TOPICS[1], 9..10).await;
    assert_eq!((after[0].seq, after[0].offset), (Seq(4), 0), "what failed took no number");
}

pub(super) async fn read_pages_through_everything(store: Arc<dyn Store>) {
    let all = append(&*store, TOPICS[0], 0..250).await;
    for page in [1, 7, 250, 1000] {
        let mut read = Vec::new();
        loop {
            let after = read.last().map_or(Seq(0), |r: &Arc<crate::Record>| r.seq);
            let more = store.journal().read(after, page).await.unwrap();
            assert!(more.len() <= page);
            if more.is_empty() {
                break;
            }
            read.extend(more);
        }
        assert_eq!(read, all);
    }
}

pub(super) async fn committed_wakes_and_never_runs_ahead(store: Arc<dyn Store>) {
    let journal = store.journal();
    let mut committed = journal.committed();
    let reader = async {
        let mut seen = Seq(0);
        while seen < Seq(200) {
            committed.wait_for(|newest| *newest > seen).await.unwrap();
            let announced = *committed.borrow_and_update();
            let records = journal.read(seen, 1000).await.unwrap();
            seen = records.last().expect("what was announced can be read").seq;
            assert!(seen >= announced);
        }
    };
    let writer = async {
        for n in 0..200 {
            append(&*store, TOPICS[usize::from(n % 2)], n..n + 1).await;
        }
    };
    tokio::join!(reader, writer);
}

pub(super) async fn locate_misses_nothing(store: Arc<dyn Store>) {
    // One busy and one quiet topic, so that the quiet one's records lie far apart.
    for round in 0..20u16 {
        append(&*store, TOPICS[0], round * 100..round * 100 + 99).await;
        append(&*store, TOPICS[1], round..round + 1).await;
    }
    let journal = store.journal();
    for bounds in journal.bounds().await.unwrap() {
        for offset in bounds.start..bounds.end {
            let after = journal.locate(bounds.partition, offset).await.unwrap();
            let first = journal.read(after, 5_000).await.unwrap();
            let found = first.iter().find(|r| r.topic_partition() == bounds.partition && r.offset >= offset);
            assert_eq!(found.map(|r| r.offset), Some(offset), "{}", bounds.partition);
        }
    }
    // Where nothing is yet: a consumer that has read everything waits there.
    let mut ends = Vec::new();
    for bounds in journal.bounds().await.unwrap() {
        ends.push((bounds, journal.locate(bounds.partition, bounds.end).await.unwrap()));
    }
    append(&*store, TOPICS[1], 0..30).await;
    for (bounds, after) in ends {
        let first = journal.read(after, 5_000).await.unwrap();
        let found = first.iter().find(|r| r.topic_partition() == bounds.partition && r.offset >= bounds.end);
        let expected = (bounds.partition.topic == TOPICS[1]).then_some(bounds.end);
        assert_eq!(found.map(|r| r.offset), expected, "{}", bounds.partition);
    }
}

pub(super) async fn trim_keeps_offsets_and_bounds(harness: &dyn Harness, n: u32) {
    let store = harness.open(n).await;
    let all = append(&*store, TOPICS[0], 0..300).await;
    let journal = store.journal();
    while journal.trim(Seq(120)).await.unwrap() > 0 {}
    store.close().await;
    // Reopened, so that what is kept in memory cannot hide what was forgotten.
    let store = harness.open(n).await;
    let journal = store.journal();
    assert_eq!(journal.read(Seq(0), 1000).await.unwrap(), all[120..]);
    for bounds in journal.bounds().await.unwrap() {
        let mine = || all.iter().filter(|r| r.topic_partition() == bounds.partition);
        let start = mine().find(|r| r.seq > Seq(120)).map_or(0, |r| r.offset);
        assert_eq!((bounds.start, bounds.end), (start, mine().count() as u64));
    }
    while journal.trim(Seq(300)).await.unwrap() > 0 {}
    assert!(journal.bounds().await.unwrap().iter().all(|b| b.start == b.end));
    store.close().await;
    let store = harness.open(n).await;
    assert_eq!(*store.journal().committed().borrow(), Seq(300), "seqs go on where they were");
    let next = append(&*store, TOPICS[0], 300..301).await;
    let before = all.iter().filter(|r| r.topic_partition() == next[0].topic_partition()).count();
    assert_eq!(next[0].offset, before as u64, "offsets go on where they were");
    let after = store.journal().locate(next[0].topic_partition(), next[0].offset).await.unwrap();
    assert!(!store.journal().read(after, 10).await.unwrap().is_empty());
}

pub(super) async fn survives_reopening(harness: &dyn Harness, n: u32) {
    let store = harness.open(n).await;
    let incarnation = store.journal().incarnation();
    let mut all = append(&*store, TOPICS[0], 0..40).await;
    store.close().await;
    assert!(store.commit(Commit::default()).await.is_err(), "a closed store takes nothing");
    let store = harness.open(n).await;
    assert_eq!(store.journal().incarnation(), incarnation);
    assert_eq!(*store.journal().committed().borrow(), Seq(40));
    all.extend(append(&*store, TOPICS[0], 40..50).await);
    assert_eq!(store.journal().read(Seq(0), 1000).await.unwrap(), all);
}
