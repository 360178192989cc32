//! Cases of consumer groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{Either, select};
use holdfast_storage::{Advance, Incarnation, Position, Record, StoreError, TopicPartition};

use super::{GROUP, TOPICS, World, assert_whole, consume, messages, number, settle};
use crate::{Batch, Consumer};

pub(super) async fn everything_is_delivered_in_order(world: &dyn World) {
    world.publish(messages(0..100)).await;
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let mut all = consume(world, &mut *consumer, GROUP, 100).await;
    // And what comes while the consumer waits.
    let (more, ()) = tokio::join!(consume(world, &mut *consumer, GROUP, 50), async {
        world.publish(messages(100..150)).await
    });
    all.extend(more);
    assert_whole(&all, 0..150);
}

pub(super) async fn delivered_again_until_committed(world: &dyn World) {
    world.publish(messages(0..20)).await;
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let first = consumer.poll(10).await.unwrap();
    let again = consumer.poll(10).await.unwrap();
    assert_eq!(first.records, again.records);
    consumer.reset();
    let again = consumer.poll(10).await.unwrap();
    assert_eq!(first.records, again.records);
    settle(world, &mut *consumer, GROUP, &again).await.unwrap();
    let mut all = again.records;
    all.extend(consume(world, &mut *consumer, GROUP, 20 - all.len()).await);
    assert_whole(&all, 0..20);
}

pub(super) async fn a_new_member_goes_on_where_the_group_is(world: &dyn World) {
    world.publish(messages(0..60)).await;
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let mut all = consume(world, &mut *consumer, GROUP, 30).await;
    // Polled, not committed: the effects of this batch never happened.
    let _ = consumer.poll(10).await.unwrap();
    drop(consumer);
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    all.extend(consume(world, &mut *consumer, GROUP, 60 - all.len()).await);
    assert_whole(&all, 0..60);
}

pub(super) async fn members_share_the_partitions(world: &dyn World) {
    let (mut one, mut two, seen) = pair(world).await;
    one.records.clear();
    two.records.clear();
    world.publish(messages(seen..seen + 120)).await;
    while one.records.len() + two.records.len() < 120 {
        either(world, &mut one, &mut two).await;
    }
    assert!(!one.records.is_empty() && !two.records.is_empty(), "both have a share");
    assert!(one.partitions().is_disjoint(&two.partitions()), "no partition has two owners");
    one.records.append(&mut two.records);
    assert_whole(&one.records, seen..seen + 120);
}

/// Two members that share the partitions, and how many messages they have consumed while they came to it.
async fn pair(world: &dyn World) -> (Member, Member, u32) {
    let mut one = Member::join(world).await;
    let mut two = Member::join(world).await;
    let mut published = 0;
    while one.records.is_empty() || two.records.is_empty() {
        world.publish(messages(published..published + 40)).await;
        published += 40;
        while one.records.len() + two.records.len() < published as usize {
            either(world, &mut one, &mut two).await;
        }
    }
    (one, two, published)
}

/// Whoever has something goes first; the other's poll is dropped while it waits.
async fn either(world: &dyn World, one: &mut Member, two: &mut Member) {
    let polled = match select(one.consumer.poll(9), two.consumer.poll(9)).await {
        Either::Left((batch, _)) => Either::Left(batch.unwrap()),
        Either::Right((batch, _)) => Either::Right(batch.unwrap()),
    };
    match polled {
        Either::Left(batch) => one.settle(world, batch).await,
        Either::Right(batch) => two.settle(world, batch).await,
    }
}

/// A member and what it received.
struct Member {
    consumer: Box<dyn Consumer>,
    records: Vec<Arc<Record>>,
    /// In which generation it had each partition last.
    had: BTreeMap<TopicPartition, u64>,
}

impl Member {
    async fn join(world: &dyn World) -> Self {
        let consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
        Self { consumer, records: Vec::new(), had: BTreeMap::new() }
    }

    async fn settle(&mut self, world: &dyn World, batch: Batch) {
        if settle(world, &mut *self.consumer, GROUP, &batch).await.is_ok() {
            self.had.extend(batch.spans.iter().map(|span| (span.partition, batch.generation)));
            self.records.extend(batch.records);
        } else {
            self.consumer.reset();
        }
    }

    fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.records.iter().map(|r| r.topic_partition()).collect()
    }
}

pub(super) async fn a_member_that_leaves_is_replaced(world: &dyn World) {
    let (mut stays, mut leaves, seen) = pair(world).await;
    world.publish(messages(seen..seen + 120)).await;
    let batch = leaves.consumer.poll(9).await.unwrap();
    leaves.settle(world, batch).await;
    // Polled, not committed: the one that stays is given these again.
    let _ = leaves.consumer.poll(9).await.unwrap();
    drop(leaves.consumer);
    let all = seen as usize + 120;
    while stays.records.len() + leaves.records.len() < all {
        let batch = stays.consumer.poll(9).await.unwrap();
        stays.settle(world, batch).await;
    }
    stays.records.append(&mut leaves.records);
    let mut numbers: Vec<u32> = stays.records.iter().map(|r| number(r)).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..seen + 120), "each once");
}

pub(super) async fn a_stale_batch_does_not_commit(world: &dyn World) {
    world.publish(messages(0..20)).await;
    let mut slow = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let stale = slow.poll(20).await.unwrap();
    drop(slow);
    let mut next = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let all = consume(world, &mut *next, GROUP, 20).await;
    assert_whole(&all, 0..20);
    let late = world.advance(stale.advances(GROUP)).await;
    assert!(matches!(late, Err(StoreError::StaleWorker { .. })));
}

/// What a handler remembers of its partitions holds exactly as long as nobody else may have moved them on.
pub(super) async fn a_generation_ends_with_what_may_have_changed(world: &dyn World) {
    world.publish(messages(0..60)).await;
    let mut alone = Member::join(world).await;
    let first = alone.consumer.poll(1).await.unwrap();
    let generation = first.generation;
    alone.settle(world, first).await;
    let second = alone.consumer.poll(1).await.unwrap();
    assert_eq!(second.generation, generation, "it went on by itself");
    // Somebody else moves the partition on behind its back, as a worker that was cut off may.
    world.advance(second.advances(GROUP)).await.unwrap();
    assert!(world.advance(second.advances(GROUP)).await.is_err(), "the position has moved");
    alone.consumer.reset();
    let third = alone.consumer.poll(1).await.unwrap();
    assert_ne!(third.generation, generation, "after a reset nothing remembered holds");
    assert_ne!(third.records, second.records);
}

pub(super) async fn partitions_come_back_with_another_generation(world: &dyn World) {
    let mut stays = Member::join(world).await;
    world.publish(messages(0..40)).await;
    while stays.records.len() < 40 {
        let batch = stays.consumer.poll(9).await.unwrap();
        stays.settle(world, batch).await;
    }
    let mut leaves = Member::join(world).await;
    let mut published = 40;
    while leaves.records.is_empty() {
        world.publish(messages(published..published + 40)).await;
        published += 40;
        while leaves.records.is_empty() && stays.records.len() < published as usize {
            either(world, &mut stays, &mut leaves).await;
        }
    }
    // The other's first batch: whatever is in it, this one had before, and in these generations.
    let theirs = leaves.partitions();
    let before = stays.had.clone();
    drop(leaves.consumer);
    world.publish(messages(published..published + 40)).await;
    loop {
        let batch = stays.consumer.poll(9).await.unwrap();
        let back = batch.spans.iter().map(|span| span.partition).find(|p| theirs.contains(p));
        let generation = batch.generation;
        stays.settle(world, batch).await;
        if let Some(partition) = back {
            assert_ne!(before[&partition], generation, "{partition} was another member's meanwhile");
            return;
        }
    }
}

pub(super) async fn groups_do_not_disturb_each_other(world: &dyn World) {
    world.publish(messages(0..40)).await;
    for group in [GROUP, "another-group"] {
        let mut consumer = world.bus().subscribe(group, TOPICS, world.inbox()).await.unwrap();
        assert_whole(&consume(world, &mut *consumer, group, 40).await, 0..40);
    }
    let only = &TOPICS[..1];
    let mut one_topic = world.bus().subscribe("a-third-group", only, world.inbox()).await.unwrap();
    let records = consume(world, &mut *one_topic, "a-third-group", 20).await;
    assert!(records.iter().all(|r| r.topic == only[0]));
}

pub(super) async fn a_position_of_another_log_starts_at_the_beginning(world: &dyn World) {
    world.publish(messages(0..40)).await;
    let stale: Vec<Advance> = world
        .bus()
        .bounds(TOPICS)
        .await
        .unwrap()
        .iter()
        .zip(0u64..)
        .map(|(b, n)| Advance {
            group: GROUP,
            partition: b.partition,
            from: None,
            to: Position { incarnation: Incarnation(4_711), next: n },
        })
        .collect();
    world.advance(stale).await.unwrap();
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    assert_whole(&consume(world, &mut *consumer, GROUP, 40).await, 0..40);
}

pub(super) async fn a_dropped_poll_loses_nothing(world: &dyn World) {
    let mut consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
    let mut all = Vec::new();
    for n in 0..30 {
        // Nothing is there yet, so this poll is dropped while it waits.
        let waiting = select(consumer.poll(5), std::future::ready(())).await;
        assert!(matches!(waiting, Either::Right(_)));
        drop(waiting);
        world.publish(messages(n..n + 1)).await;
        all.extend(consume(world, &mut *consumer, GROUP, 1).await);
    }
    assert_whole(&all, 0..30);
}
