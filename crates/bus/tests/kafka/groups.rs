//! Consumers on a broker: where they start, what they are given, and who has what.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_bus::Bus;
use holdfast_bus::suite::{TOPICS, World};
use holdfast_contract::{Partition, Topic};
use holdfast_servers::shared;
use holdfast_storage::{Advance, Inbox, Position, Record, StoreError, TopicPartition};

use crate::support::{Cluster, GROUP, eventually, messages, numbers};

const FIRST: TopicPartition = TopicPartition { topic: TOPICS[0], partition: Partition(0) };

/// Invariant 9: positions are the inbox's. What the broker was told is for tools, and may be behind or before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_the_inbox_wins_over_committed_offsets() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    cluster.publish(messages(0..60)).await;
    let mut consumer = cluster.subscribe().await;
    cluster.consume(&mut *consumer, |seen| seen.len() == 60).await;
    // Tools see how far the group is, as soon as the broker was told.
    let ends: u64 = cluster.bus.bounds(TOPICS).await.unwrap().iter().map(|b| b.end).sum();
    let committed = cluster.bus.committed();
    eventually(|| async {
        let positions = committed.positions(GROUP).await.unwrap();
        positions.iter().map(|(_, position)| position.next).sum::<u64>() == ends
    })
    .await;
    drop(consumer);

    // The same group with an inbox that is behind: it reads again what the broker has as done.
    let behind = Cluster::with(cluster.bus.config().clone());
    let incarnation = behind.bus.describe(TOPICS).await.unwrap().get(FIRST.topic).unwrap().incarnation;
    let to = Position { incarnation, next: 3 };
    behind.advance(vec![Advance { group: GROUP, partition: FIRST, from: None, to }]).await.unwrap();
    let mut consumer = behind.subscribe().await;
    let again = behind.consume(&mut *consumer, |seen| seen.len() == 57).await;
    assert_eq!(again.iter().filter(|r| r.topic_partition() == FIRST).map(|r| r.offset).min(), Some(3));
}

/// A position outside the log: before what was deleted, or after its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_a_position_outside_the_log_starts_at_its_beginning() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    cluster.publish(messages(0..120)).await;
    cluster.forget_some().await;
    let states = cluster.bus.describe(TOPICS).await.unwrap();
    let bounds = cluster.bus.bounds(TOPICS).await.unwrap();
    let advances = bounds.iter().zip([0, 1_000_000].into_iter().cycle()).map(|(b, next)| {
        let incarnation = states.get(b.partition.topic).unwrap().incarnation;
        Advance { group: GROUP, partition: b.partition, from: None, to: Position { incarnation, next } }
    });
    cluster.advance(advances.collect()).await.unwrap();
    let left: u64 = bounds.iter().map(|b| b.end - b.start).sum();
    let mut consumer = cluster.subscribe().await;
    let records = cluster.consume(&mut *consumer, |seen| seen.len() as u64 == left).await;
    for b in bounds {
        let first = records.iter().filter(|r| r.topic_partition() == b.partition).map(|r| r.offset).min();
        assert_eq!(first.unwrap_or(b.start), b.start);
    }
}

/// A topic of the same name is not the same log. A consumer that is running reads it from its beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_topics_made_anew_are_recognised_while_running() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    cluster.publish(messages(0..60)).await;
    let mut consumer = cluster.subscribe().await;
    cluster.consume(&mut *consumer, |seen| seen.len() == 60).await;
    let before = cluster.bus.describe(TOPICS).await.unwrap();
    cluster.recreate_topics(TOPICS).await;
    // The broker has made them, and shows them a little later.
    eventually(|| async {
        cluster.bus.describe(TOPICS).await.is_ok_and(|now| {
            TOPICS.iter().all(|&topic| now.get(topic).is_some_and(|new| before.get(topic) != Some(new)))
        })
    })
    .await;
    let after = cluster.bus.describe(TOPICS).await.unwrap();
    // More than before, so that the old positions lie inside the new logs.
    cluster.publish(messages(100..300)).await;
    let new = |seen: &[Arc<Record>]| numbers(seen).into_iter().collect::<BTreeSet<_>>().range(100..).count();
    cluster.consume(&mut *consumer, |seen| new(seen) == 200).await;
    for (partition, position) in cluster.inbox.positions(GROUP).await.unwrap() {
        assert_eq!(position.incarnation, after.get(partition.topic).unwrap().incarnation);
    }
}

/// Two members of a group, one of them with a batch at hand when the other joins: whatever it did not commit in time is void,
/// and it is given no more of what it lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_from_before_a_rebalance_is_void_where_others_went_on() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    cluster.publish(messages(0..200)).await;
    let mut slow = cluster.subscribe().await;
    let stale = slow.poll(200).await.unwrap();
    let mut quick = cluster.subscribe().await;
    let mut theirs = quick.poll(200).await.unwrap();
    cluster.settle(&mut *quick, &theirs).await.unwrap();
    let taken: Vec<_> = theirs.spans.iter().map(|span| span.partition).collect();
    assert!(stale.spans.iter().any(|span| taken.contains(&span.partition)));
    let late = cluster.advance(stale.advances(GROUP)).await;
    assert!(matches!(late, Err(StoreError::StaleWorker { .. })));
    slow.reset();
    let mut given = Vec::new();
    while given.len() + theirs.records.len() < 200 {
        tokio::select! {
            batch = slow.poll(50) => {
                let batch = batch.unwrap();
                assert!(batch.records.iter().all(|r| !taken.contains(&r.topic_partition())), "it lost these");
                cluster.settle(&mut *slow, &batch).await.unwrap();
                given.extend(batch.records);
            }
            batch = quick.poll(50) => {
                let batch = batch.unwrap();
                cluster.settle(&mut *quick, &batch).await.unwrap();
                theirs.records.extend(batch.records);
            }
        }
    }
    given.append(&mut theirs.records);
    assert!(numbers(&given).into_iter().eq(0..200), "each once");
}

/// Members come and go while messages do; every message takes effect once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_rebalances_loses_and_repeats_nothing() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let mut stays = cluster.subscribe().await;
    let mut all = Vec::new();
    for round in 0..6 {
        let mut guest = cluster.subscribe().await;
        cluster.publish(messages(round * 50..(round + 1) * 50)).await;
        while all.len() < (round as usize + 1) * 50 {
            let (who, polled) = tokio::select! {
                batch = stays.poll(7) => (&mut stays, batch),
                batch = guest.poll(7) => (&mut guest, batch),
            };
            let batch = polled.unwrap();
            match cluster.settle(&mut **who, &batch).await {
                Ok(()) => all.extend(batch.records),
                Err(_) => who.reset(),
            }
        }
    }
    assert!(numbers(&all).into_iter().eq(0..300), "each once");
}

/// What other writers put into our topics: nothing of it stops anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_records_are_given_as_they_are() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    cluster.publish_raw(FIRST, None, Some("no key"), &[]).await;
    cluster.publish_raw(FIRST, Some("no payload"), None, &[("holdfast-outbox", "nonsense")]).await;
    cluster.publish_raw(FIRST, Some("key"), Some("payload"), &[("traceparent", trace), ("other", "x")]).await;
    let mut consumer = cluster.subscribe().await;
    let records = cluster.consume(&mut *consumer, |seen| seen.len() == 3).await;
    let shown: Vec<_> = records.iter().map(|r| (r.offset, r.key.as_ref(), r.payload.as_ref())).collect();
    let expected: [(u64, &[u8], &[u8]); 3] =
        [(0, b"", b"no key"), (1, b"no payload", b""), (2, b"key", b"payload")];
    assert_eq!(shown, expected);
    assert_eq!(records[2].traceparent.as_deref(), Some(trace.as_bytes()));
    assert!(records[0].traceparent.is_none() && records[0].at.as_millis() > 1_600_000_000_000);
}

/// Two systems on one cluster do not see each other, and one bus does not take another's topics for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_systems_apart() {
    let Some(kafka) = shared::kafka().await else { return };
    let (one, two) = (Cluster::new(kafka.brokers()).await, Cluster::new(kafka.brokers()).await);
    one.publish(messages(0..10)).await;
    two.publish(messages(10..20)).await;
    for (cluster, range) in [(&one, 0..10), (&two, 10..20)] {
        let mut consumer = cluster.subscribe().await;
        let seen = cluster.consume(&mut *consumer, |seen| seen.len() == 10).await;
        assert!(numbers(&seen).into_iter().eq(range));
    }
    assert_eq!(one.bus.topic_of(&two.bus.topic_name(Topic::OrderLive)), None);
    assert_eq!(one.bus.topic_of(&one.bus.topic_name(Topic::OrderLive)), Some(Topic::OrderLive));
}
