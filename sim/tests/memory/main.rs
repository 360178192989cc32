//! The stores in memory against every conformance suite, and what is their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod bus;
mod instances;
mod orders;
mod products;
mod storage;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::topic::partition_of;
use holdfast_sim::memory::MemoryOptions;
use holdfast_storage::{Incarnation, Outbox, Record, Sent, Seq, TopicPartition, Unsent};
use parking_lot::Mutex;

/// Which store number `n` is.
fn options(n: u32) -> MemoryOptions {
    MemoryOptions::new(Incarnation(u64::from(n) + 100))
}

/// A broker that counts, and keeps what it was given.
#[derive(Default)]
struct Broker {
    ends: BTreeMap<TopicPartition, u64>,
    records: Vec<Arc<Record>>,
}

impl Broker {
    fn publish(&mut self, Unsent { id, record }: Unsent) -> Sent {
        let partition = TopicPartition { topic: record.topic, partition: partition_of(&record.key, 3) };
        // Not the journal's offsets.
        let end = self.ends.entry(partition).or_insert(1_000);
        let offset = *end;
        *end += 1;
        self.records.push(Arc::new(Record {
            seq: Seq(0),
            topic: record.topic,
            partition: partition.partition,
            offset,
            key: record.key,
            payload: record.payload,
            at: record.at,
            traceparent: record.traceparent,
        }));
        Sent { id, partition, incarnation: Incarnation(5), offset }
    }
}

/// Publishes what is unsent, and gives everything that was ever published.
async fn relay(outbox: &dyn Outbox, broker: &Mutex<Broker>) -> Vec<Arc<Record>> {
    for shard in 0..outbox.shards() {
        let mut claim = outbox.claim(shard).await.unwrap().unwrap();
        loop {
            let unsent = claim.unsent(50).await.unwrap();
            if unsent.is_empty() {
                break;
            }
            let sent: Vec<Sent> = {
                let mut broker = broker.lock();
                unsent.into_iter().map(|unsent| broker.publish(unsent)).collect()
            };
            claim.sent(&sent).await.unwrap();
        }
    }
    broker.lock().records.clone()
}
