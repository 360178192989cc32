//! The conformance suite of [`Bus`], [`Consumer`] and [`Tail`]: every back-end runs it whole.
//!
//! A back-end's test gives a [`Harness`] to [`run`]; each case gets a fresh bus. Cases panic where the specification is
//! broken.

#![allow(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod group;
mod tail;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Key, OrderId, Timestamp, Topic};
use holdfast_storage::{Advance, Group, Inbox, Outgoing, Record, StoreError, TopicPartition};

use crate::{Batch, Bus, Consumer, Tail};

/// A bus under test.
#[async_trait]
pub trait World: Send + Sync {
    /// The bus.
    fn bus(&self) -> Arc<dyn Bus>;
    /// Where the consumers' positions are.
    fn inbox(&self) -> Arc<dyn Inbox>;
    /// Publishes records, as a producer's durable commit does.
    async fn publish(&self, records: Vec<Outgoing>);
    /// A consumer's commit: moves positions.
    async fn advance(&self, advances: Vec<Advance>) -> Result<(), StoreError>;
    /// Forgets the oldest records, some but not all.
    async fn forget_some(&self);
}

/// Makes worlds.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A fresh bus that carries [`TOPICS`] in 3 partitions each, and an inbox.
    async fn world(&self) -> Arc<dyn World>;
}

/// The topics of the suite.
pub const TOPICS: &[Topic] = &[Topic::InventoryReserve, Topic::InventoryRelease];
const GROUP: Group = "suite-group";

/// Runs every case.
pub async fn run(harness: &dyn Harness) {
    group::everything_is_delivered_in_order(&*harness.world().await).await;
    group::delivered_again_until_committed(&*harness.world().await).await;
    group::a_new_member_goes_on_where_the_group_is(&*harness.world().await).await;
    group::members_share_the_partitions(&*harness.world().await).await;
    group::a_member_that_leaves_is_replaced(&*harness.world().await).await;
    group::a_stale_batch_does_not_commit(&*harness.world().await).await;
    group::a_generation_ends_with_what_may_have_changed(&*harness.world().await).await;
    group::partitions_come_back_with_another_generation(&*harness.world().await).await;
    group::groups_do_not_disturb_each_other(&*harness.world().await).await;
    group::a_position_of_another_log_starts_at_the_beginning(&*harness.world().await).await;
    group::a_dropped_poll_loses_nothing(&*harness.world().await).await;
    tail::follows_from_now(&*harness.world().await).await;
    tail::resumes_without_gap_or_repetition(&*harness.world().await).await;
    tail::too_far_behind_is_said(&*harness.world().await).await;
    tail::browse_shows_a_partition(&*harness.world().await).await;
}

fn message(topic: Topic, key: u16, n: u32) -> Outgoing {
    Outgoing {
        topic,
        key: Bytes::from(OrderId::new(Key::compose(1_763_600_000_000, 0, key)).to_string()),
        payload: Bytes::from(format!("{{\"n\":{n}}}")),
        at: Timestamp::from_millis(1_763_600_000_000 + i64::from(n)),
        traceparent: None,
    }
}

/// Messages `range`, of 40 keys, over both topics.
fn messages(range: std::ops::Range<u32>) -> Vec<Outgoing> {
    range.map(|n| message(TOPICS[(n % 2) as usize], u16::try_from(n / 2 % 40).unwrap_or(0), n)).collect()
}

fn number(record: &Record) -> u32 {
    let text = std::str::from_utf8(&record.payload).unwrap();
    text[5..text.len() - 1].parse().unwrap()
}

/// Polls and commits until `count` records came.
async fn consume(
    world: &dyn World,
    consumer: &mut dyn Consumer,
    group: Group,
    count: usize,
) -> Vec<Arc<Record>> {
    let mut records = Vec::new();
    while records.len() < count {
        let batch = consumer.poll(17).await.unwrap();
        settle(world, consumer, group, &batch).await.unwrap();
        records.extend(batch.records);
    }
    records
}

async fn settle(
    world: &dyn World,
    consumer: &mut dyn Consumer,
    group: Group,
    batch: &Batch,
) -> Result<(), StoreError> {
    world.advance(batch.advances(group)).await?;
    consumer.commit(batch).await.unwrap();
    Ok(())
}

async fn follow(tail: &mut dyn Tail, count: usize) -> Vec<Arc<Record>> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(tail.next(13).await.unwrap());
    }
    records
}

/// Exactly the messages `range`, and each partition's in order of offset without a gap.
fn assert_whole(records: &[Arc<Record>], range: std::ops::Range<u32>) {
    let mut numbers: Vec<u32> = records.iter().map(|r| number(r)).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(range), "each once: {numbers:?}");
    assert_in_order(records);
}

fn assert_in_order(records: &[Arc<Record>]) {
    let mut last: std::collections::BTreeMap<TopicPartition, u64> = std::collections::BTreeMap::new();
    for record in records {
        if let Some(before) = last.insert(record.topic_partition(), record.offset) {
            assert_eq!(record.offset, before + 1, "{}", record.topic_partition());
        }
    }
}
