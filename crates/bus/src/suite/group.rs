//! Cases of consumer groups.

use std::collections::BTreeSet;
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
    let mut one = Member::join(world).await;
    let mut two = Member::join(world).await;
    world.publish(messages(0..120)).await;
    while one.records.len() + two.records.len() < 120 {
        // Whoever has something goes first; the other's poll is dropped while it waits.
        let polled = match select(one.consumer.poll(9), two.consumer.poll(9)).await {
            Either::Left((batch, _)) => Either::Left(batch.unwrap()),
            Either::Right((batch, _)) => Either::Right(batch.unwrap()),
        };
        match polled {
            Either::Left(batch) => one.settle(world, batch).await,
            Either::Right(batch) => two.settle(world, batch).await,
        }
    }
    assert!(!one.records.is_empty() && !two.records.is_empty(), "both have a share");
    assert!(one.partitions().is_disjoint(&two.partitions()), "no partition has two owners");
    one.records.append(&mut two.records);
    assert_whole(&one.records, 0..120);
}

/// A member and what it received.
struct Member {
    consumer: Box<dyn Consumer>,
    records: Vec<Arc<Record>>,
}

impl Member {
    async fn join(world: &dyn World) -> Self {
        let consumer = world.bus().subscribe(GROUP, TOPICS, world.inbox()).await.unwrap();
        Self { consumer, records: Vec::new() }
    }

    async fn settle(&mut self, world: &dyn World, batch: Batch) {
        if settle(world, &mut *self.consumer, GROUP, &batch).await.is_ok() {
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
    let mut stays = Member::join(world).await;
    let mut leaves = Member::join(world).await;
    world.publish(messages(0..120)).await;
    let batch = leaves.consumer.poll(9).await.unwrap();
    leaves.settle(world, batch).await;
    drop(leaves.consumer);
    while stays.records.len() + leaves.records.len() < 120 {
        let batch = stays.consumer.poll(9).await.unwrap();
        stays.settle(world, batch).await;
    }
    stays.records.append(&mut leaves.records);
    let mut numbers: Vec<u32> = stays.records.iter().map(|r| number(r)).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..120), "each once");
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
