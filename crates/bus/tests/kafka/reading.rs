//! Tails and scans: what is read outside groups.

use std::time::UNIX_EPOCH;

use holdfast_bus::kafka::{KafkaPublisher, OUTBOX_HEADER, ProducerOptions, Stamp};
use holdfast_bus::relay::Publisher;
use holdfast_bus::suite::{TOPICS, World};
use holdfast_bus::{Bus, Tail, TailFrom};
use holdfast_contract::Partition;
use holdfast_servers::shared;
use holdfast_storage::{Incarnation, OutboxId, TopicPartition, Unsent};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::{Cluster, PATIENCE, message, messages};

const FIRST: TopicPartition = TopicPartition { topic: TOPICS[0], partition: Partition(0) };

impl Cluster {
    async fn publish_stamped(&self, key: &str, scope: u64, number: u64, payload: &str) {
        let stamp = Stamp { outbox: Incarnation(77), id: OutboxId { scope, number } }.to_string();
        self.publish_raw(FIRST, Some(key), Some(payload), &[(OUTBOX_HEADER, &stamp)]).await;
    }
}

async fn follow(tail: &mut dyn Tail, count: usize) -> Vec<String> {
    let mut payloads = Vec::new();
    while payloads.len() < count {
        let records = tail.next(2).await.unwrap();
        payloads.extend(records.iter().map(|r| String::from_utf8_lossy(&r.payload).into_owned()));
    }
    payloads
}

/// A relay that stalls and comes back may publish records again. A tail gives each once, also one that begins between a
/// record and its repetition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_drops_what_was_published_twice() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let mut whole = cluster.bus.tail(TOPICS, TailFrom::Now).await.unwrap();
    cluster.publish_stamped("a", 0, 1, "a1").await;
    cluster.publish_stamped("b", 0, 2, "b2").await;
    let mut later = cluster.bus.tail(TOPICS, TailFrom::Now).await.unwrap();
    cluster.publish_stamped("a", 0, 1, "a1").await;
    cluster.publish_stamped("a", 0, 3, "a3").await;
    cluster.publish_stamped("b", 0, 2, "b2").await;
    cluster.publish_stamped("b", 9, 1, "b9.1").await;
    cluster.publish_raw(FIRST, Some("a"), Some("foreign"), &[]).await;
    assert_eq!(follow(&mut *whole, 5).await, ["a1", "b2", "a3", "b9.1", "foreign"]);
    assert_eq!(follow(&mut *later, 3).await, ["a3", "b9.1", "foreign"]);
    assert_eq!(whole.position(), later.position());
}

/// A scan gives what there was when it began, and ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_gives_a_stretch_with_its_stamps() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    cluster.publish(messages(0..100)).await;
    cluster.publish_stamped("a", 5, 6, "stamped").await;
    let bounds = cluster.bus.bounds(TOPICS).await.unwrap();
    let all = bounds.iter().map(|b| (b.partition, 2)).collect();
    let mut scan = cluster.bus.scan(all).await.unwrap();
    cluster.publish(messages(100..200)).await;
    let mut scanned = Vec::new();
    while let Some(more) = scan.next().await.unwrap() {
        scanned.extend(more);
    }
    let expected: u64 = bounds.iter().map(|b| b.end - 2).sum();
    assert_eq!(scanned.len() as u64, expected);
    let stamped: Vec<_> = scanned.iter().filter_map(|s| s.stamp).collect();
    assert_eq!(stamped, [Stamp { outbox: Incarnation(77), id: OutboxId { scope: 5, number: 6 } }]);
    for b in &bounds {
        let offsets = scanned.iter().filter(|s| s.record.topic_partition() == b.partition);
        assert!(offsets.map(|s| s.record.offset).eq(2..b.end), "{}", b.partition);
    }
    let mut nothing = cluster.bus.scan(vec![(FIRST, 1_000_000)]).await.unwrap();
    assert!(nothing.next().await.unwrap().is_none());
}

/// A broker that was away for longer than it keeps messages must not take what it is given then for old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_is_kept_as_long_as_anything() {
    let Some(kafka) = shared::kafka().await else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let before = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let publisher = KafkaPublisher::new(cluster.bus.clone(), "/test", ProducerOptions::default());
    let mut session = publisher.open(Incarnation(77), TOPICS).await.unwrap();
    // It happened more than a year ago.
    let record = message(FIRST.topic, "late", 1);
    let unsent = Unsent { id: OutboxId { scope: 0, number: 1 }, record: record.clone() };
    assert!(session.publish(0, FIRST.partition, &unsent).unwrap());
    let mut acks = Vec::new();
    session.acks(&mut acks).await.unwrap();
    session.close().await;
    let read = cluster.bus.browse(FIRST, 0, 1).await.unwrap();
    assert_eq!(read[0].at, record.at, "it is still said when it happened");
    let consumer: BaseConsumer = cluster.bus.client_config("times").create().unwrap();
    let mut since = TopicPartitionList::new();
    since.add_partition_offset(&cluster.bus.topic_name(FIRST.topic), 0, Offset::Offset(before)).unwrap();
    let found = tokio::task::spawn_blocking(move || consumer.offsets_for_times(since, PATIENCE).unwrap());
    assert_eq!(
        found.await.unwrap().elements()[0].offset(),
        Offset::Offset(0),
        "for the broker it is from now"
    );
}
