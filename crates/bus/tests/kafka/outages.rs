//! Brokers that are away, come back, or come back empty.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::suite::{TOPICS, World};
use holdfast_bus::{Bus, BusError, TailFrom};
use holdfast_contract::Topic;
use holdfast_servers::{Kafka, or_skip};
use holdfast_storage::{Inbox, Record};
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, GROUP, config, eventually, messages, numbers};

fn seen_from(records: &[Arc<Record>], first: u32) -> usize {
    numbers(records).into_iter().collect::<BTreeSet<_>>().range(first..).count()
}

/// A broker that is away is an outage: questions fail soon, and a consumer waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_later_is_waited_for() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    kafka.kill().await.unwrap();
    let cluster = Cluster::with(config(kafka.brokers()));
    let stop = CancellationToken::new();
    let keeper = tokio::task::spawn({
        let (bus, stop) = (cluster.bus.clone(), stop.clone());
        async move { bus.keep_topics(stop).await }
    });
    assert!(matches!(cluster.bus.bounds(TOPICS).await, Err(BusError::Unavailable(_))));
    let tail = cluster.bus.tail(TOPICS, TailFrom::Now).await;
    assert!(matches!(tail.map(drop), Err(BusError::Unavailable(_))));
    assert!(!*cluster.bus.reachable().borrow());
    let mut consumer = cluster.subscribe().await;

    kafka.restart().await.unwrap();
    let ((), records) = tokio::join!(
        async {
            eventually(|| async {
                let topics = cluster.bus.topics().borrow().clone();
                Topic::ALL.iter().all(|&topic| topics.get(topic).is_some())
            })
            .await;
            cluster.publish(messages(0..40)).await;
        },
        cluster.consume(&mut *consumer, |seen| seen.len() == 40),
    );
    assert!(numbers(&records).into_iter().eq(0..40));
    assert!(*cluster.bus.reachable().borrow());
    stop.cancel();
    keeper.await.unwrap();
}

/// Killed and started again under load: nothing is lost, and what was committed is not given again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_and_repeats_nothing() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    let cluster = Arc::new(Cluster::new(kafka.brokers()).await);
    let mut consumer = cluster.subscribe().await;
    let mut tail = cluster.bus.tail(TOPICS, TailFrom::Now).await.unwrap();
    let publisher = tokio::task::spawn({
        let cluster = cluster.clone();
        async move {
            for round in 0..30 {
                cluster.publish(messages(round * 20..(round + 1) * 20)).await;
            }
        }
    });
    let mut all = cluster.consume(&mut *consumer, |seen| seen.len() >= 60).await;
    kafka.kill().await.unwrap();
    kafka.restart().await.unwrap();
    let rest = 600 - all.len();
    all.extend(cluster.consume(&mut *consumer, |seen| seen.len() >= rest).await);
    publisher.await.unwrap();
    assert!(numbers(&all).into_iter().eq(0..600), "each once");
    let mut followed = Vec::new();
    while followed.len() < 600 {
        match tail.next(100).await {
            Ok(records) => followed.extend(records),
            Err(error) => assert!(matches!(error, BusError::Unavailable(_)), "{error}"),
        }
    }
    assert!(numbers(&followed).into_iter().eq(0..600), "the tail gives each once, too");
}

/// Everything at the broker is gone (a compose file taken down with its volumes), while a consumer and a tail are running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_9_a_wiped_broker_is_recognised_while_running() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let stop = CancellationToken::new();
    let keeper = tokio::task::spawn({
        let (bus, stop) = (cluster.bus.clone(), stop.clone());
        async move { bus.keep_topics(stop).await }
    });
    let mut consumer = cluster.subscribe().await;
    let mut tail = cluster.bus.tail(TOPICS, TailFrom::Now).await.unwrap();
    cluster.publish(messages(0..60)).await;
    cluster.consume(&mut *consumer, |seen| seen.len() == 60).await;
    let mut followed = 0;
    while followed < 60 {
        followed += tail.next(100).await.unwrap().len();
    }
    let token = tail.position().to_string();
    let before = cluster.bus.describe(TOPICS).await.unwrap();

    kafka.wipe_and_restart().await.unwrap();
    eventually(|| async {
        let now = cluster.bus.describe(TOPICS).await.unwrap_or_default();
        TOPICS.iter().all(|&topic| now.get(topic).is_some() && now.get(topic) != before.get(topic))
    })
    .await;
    // More than before, so that the old positions lie inside the new logs.
    cluster.publish(messages(1_000..1_200)).await;
    cluster.consume(&mut *consumer, |seen| seen_from(seen, 1_000) == 200).await;
    let after = cluster.bus.describe(TOPICS).await.unwrap();
    for (partition, position) in cluster.inbox.positions(GROUP).await.unwrap() {
        assert_eq!(position.incarnation, after.get(partition.topic).unwrap().incarnation);
    }
    let lost = loop {
        match tail.next(100).await {
            Err(BusError::Unavailable(_)) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert!(matches!(lost, Err(BusError::TooFarBehind)), "a tail of the old log says so: {lost:?}");
    let late = cluster.bus.tail(TOPICS, TailFrom::Token(&token)).await;
    assert!(matches!(late.map(drop), Err(BusError::TooFarBehind)));
    stop.cancel();
    keeper.await.unwrap();
}

/// A broker that hangs instead of dying: questions end, and all goes on when it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_for_a_while_is_survived() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    let cluster = Cluster::new(kafka.brokers()).await;
    let mut consumer = cluster.subscribe().await;
    cluster.publish(messages(0..20)).await;
    cluster.consume(&mut *consumer, |seen| seen.len() == 20).await;
    kafka.pause().await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(30), cluster.bus.bounds(TOPICS)).await;
    assert!(matches!(asked.expect("it ends by itself"), Err(BusError::Unavailable(_))));
    kafka.resume().await.unwrap();
    cluster.publish(messages(20..40)).await;
    let rest = cluster.consume(&mut *consumer, |seen| seen.len() == 20).await;
    assert!(numbers(&rest).into_iter().eq(20..40));
}
