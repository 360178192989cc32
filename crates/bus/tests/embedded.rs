//! The embedded bus: the conformance suite, retention and poison.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::suite::{self, Harness, TOPICS, World};
use holdfast_bus::triage::{ParkedOrders, triage};
use holdfast_bus::{Bus, EmbeddedBus, Keeps, Retention};
use holdfast_contract::{Key, OrderId, Timestamp, Topic};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{
    Advance, Inbox, Incarnation, Journal, Outgoing, ParkCause, Position, Seq, StoreError,
};

const NONE: Migrations = Migrations { component: "test", steps: &[] };

struct OneMachine {
    producer: Arc<Database>,
    consumer: Arc<Database>,
    bus: EmbeddedBus,
    _folder: tempfile::TempDir,
}

impl OneMachine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Little memory, so that reading from disk is part of every case.
        let options = |name: &str, topics| Options {
            tail_bytes: 4_000,
            ..Options::new(folder.path().join(name), NONE, topics)
        };
        let producer = Arc::new(Database::open(&options("orders.db", Topic::FROM_ORDERS)).unwrap());
        let consumer = Arc::new(Database::open(&options("products.db", Topic::FROM_PRODUCTS)).unwrap());
        let bus = EmbeddedBus::new(vec![producer.clone(), consumer.clone()]);
        Self { producer, consumer, bus, _folder: folder }
    }

    fn journal(&self) -> Arc<dyn Journal> {
        self.producer.clone()
    }
}

#[async_trait]
impl World for OneMachine {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.bus.clone())
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.consumer.clone()
    }

    async fn publish(&self, records: Vec<Outgoing>) {
        self.producer
            .write(|tx| records.into_iter().try_for_each(|r| tx.append(r).map(drop)))
            .await
            .unwrap_or_else(|e: StoreError| panic!("{e}"));
    }

    async fn advance(&self, advances: Vec<Advance>) -> Result<(), StoreError> {
        self.consumer.write(move |tx| advances.iter().try_for_each(|a| tx.advance(a))).await
    }

    async fn forget_some(&self) {
        self.producer.trim(Seq(60)).await.unwrap();
    }
}

struct Machines;

#[async_trait]
impl Harness for Machines {
    async fn world(&self) -> Arc<dyn World> {
        Arc::new(OneMachine::new())
    }
}

#[tokio::test]
async fn conforms() {
    suite::run(&Machines).await;
}

fn message(topic: Topic, key: &str, payload: &str, at: i64) -> Outgoing {
    Outgoing {
        topic,
        key: Bytes::copy_from_slice(key.as_bytes()),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        at: Timestamp::from_millis(at),
        traceparent: None,
    }
}

struct Pin(Seq);

impl Keeps for Pin {
    fn done_with(&self) -> Seq {
        self.0
    }
}

/// Invariant 9: retention never passes a consumer.
#[tokio::test]
async fn invariant_9_retention_never_passes_a_consumer() {
    let world = OneMachine::new();
    world.publish((0..100).map(|n| message(TOPICS[0], &format!("key-{n}"), "{}", n)).collect()).await;
    let retention = |pin| Retention {
        journal: world.producer.clone(),
        groups: vec![("suite-group", TOPICS, world.inbox())],
        others: vec![Arc::new(Pin(pin)) as Arc<dyn Keeps>],
    };
    let all = Timestamp::from_millis(i64::MAX);
    assert_eq!(retention(Seq(100)).run(all).await.unwrap(), 0, "the group has read nothing");

    let incarnation = world.producer.incarnation();
    let bounds = world.bus.bounds(TOPICS).await.unwrap();
    let mut advances: Vec<Advance> = bounds
        .iter()
        .map(|b| Advance {
            group: "suite-group",
            partition: b.partition,
            from: None,
            to: Position { incarnation: if b.end > 0 { incarnation } else { Incarnation(1) }, next: b.end },
        })
        .collect();
    let behind = advances.iter_mut().find(|a| a.to.next > 20).unwrap();
    behind.to.next = 10;
    let (partition, stored) = (behind.partition, behind.to);
    world.advance(advances).await.unwrap();
    while retention(Seq(100)).run(all).await.unwrap() > 0 {}
    let kept = world.bus.browse(partition, 0, 1_000).await.unwrap();
    assert!(kept.first().is_some_and(|r| r.offset <= 10), "offset 10 is still to be read");

    let end = Position { next: bounds.iter().find(|b| b.partition == partition).unwrap().end, ..stored };
    world
        .advance(vec![Advance { group: "suite-group", partition, from: Some(stored), to: end }])
        .await
        .unwrap();
    while retention(Seq(70)).run(Timestamp::from_millis(50)).await.unwrap() > 0 {}
    assert_eq!(
        world.journal().read(Seq(0), 1).await.unwrap()[0].seq,
        Seq(51),
        "younger than the bound stays"
    );
    while retention(Seq(70)).run(all).await.unwrap() > 0 {}
    assert_eq!(world.journal().read(Seq(0), 1).await.unwrap()[0].seq, Seq(71), "what is pinned stays");
}

/// Invariant 8: poison stops nobody, and order per order is kept behind it.
#[tokio::test]
async fn invariant_8_poison_is_parked_with_what_is_behind_it() {
    let world = OneMachine::new();
    let id = |n| OrderId::new(Key::compose(1_763_600_000_000, 0, n)).to_string();
    let release = |n| {
        let reservation = holdfast_contract::ReservationId::from(id(n).parse::<OrderId>().unwrap());
        format!(
            "{{\"eventId\":\"e\",\"eventType\":\"STOCK_RELEASE_REQUEST\",\"orderId\":\"{}\",\
             \"timestamp\":\"2026-01-01T00:00:00Z\",\"schemaVersion\":1,\"reservationId\":\"{reservation}\",\"reason\":\"r\"}}",
            id(n)
        )
    };
    world
        .publish(vec![
            message(TOPICS[1], &id(1), "not json", 1),
            message(TOPICS[1], &id(2), &release(2), 2),
            message(TOPICS[1], &id(1), &release(1), 3),
            message(TOPICS[1], "no order", "{}", 4),
            message(TOPICS[1], "no order", "{}", 5),
            message(TOPICS[1], &id(3), &release(3), 6),
        ])
        .await;
    let records = world.journal().read(Seq(0), 10).await.unwrap();
    let at = Timestamp::from_millis(9);
    let sorted = triage("suite-group", &records, &ParkedOrders::default(), at);
    let seqs = |of: &[holdfast_storage::ToPark]| of.iter().map(|p| p.record.seq.0).collect::<Vec<_>>();
    assert_eq!(sorted.events.iter().map(|(r, _)| r.seq.0).collect::<Vec<_>>(), [2, 6]);
    assert_eq!(seqs(&sorted.park), [1, 3, 4, 5]);
    assert_eq!(sorted.park[1].cause, ParkCause::Behind);
    assert!(sorted.park[2..].iter().all(|p| p.order.is_none() && p.cause != ParkCause::Behind));
    assert_eq!(sorted.copies.len(), 3);
    assert!(sorted.copies.iter().all(|c| c.topic == Topic::InventoryReleaseDlq));

    let mut parked = ParkedOrders::default();
    parked.parked(&sorted.park);
    let later = triage("suite-group", &records[2..3], &parked, at);
    assert_eq!(seqs(&later.park), [3], "behind what an earlier batch parked");
    let key = Bytes::from(id(1));
    parked.removed(TOPICS[1], &key);
    parked.removed(TOPICS[1], &key);
    assert!(triage("suite-group", &records[2..3], &parked, at).park.is_empty());
}

/// A copy that no broker takes would stop whoever publishes it.
#[tokio::test]
async fn of_a_large_message_the_copy_says_where_it_is() {
    let world = OneMachine::new();
    let id = OrderId::new(Key::compose(1_763_600_000_000, 0, 1)).to_string();
    let large = format!("\"{}", "x".repeat(300 << 10));
    world.publish(vec![message(TOPICS[1], &id, &large, 1), message(TOPICS[1], &large, "{", 2)]).await;
    let records = world.journal().read(Seq(0), 10).await.unwrap();
    let sorted = triage("suite-group", &records, &ParkedOrders::default(), Timestamp::from_millis(9));
    assert_eq!(sorted.park[0].record.payload, large, "what is parked is whole");
    for (copy, record) in sorted.copies.iter().zip(&records) {
        assert!(copy.key.len() + copy.payload.len() < 1_000);
        let says = std::str::from_utf8(&copy.payload).unwrap();
        assert!(says.contains(&format!("\"offset\":{},", record.offset)), "{says}");
    }
    assert_eq!(sorted.copies[0].key, id);
}

/// A foreign writer may write the key as it likes, or leave it out: what the payload says then counts.
#[tokio::test]
async fn the_order_of_a_message_is_found_however_it_is_written() {
    let world = OneMachine::new();
    let id = OrderId::new(Key::compose(1_763_600_000_000, 0, 1)).to_string();
    let named = format!("{{\"eventType\":\"STOCK_RELEASE_REQUEST\",\"orderId\":\"{id}\",\"reason\":7}}");
    world
        .publish(vec![
            message(TOPICS[1], "", &named, 1),
            message(TOPICS[1], &id.to_uppercase(), "not json", 2),
            message(TOPICS[1], &id, "not json", 3),
            message(TOPICS[1], "", "not json", 4),
        ])
        .await;
    let records = world.journal().read(Seq(0), 10).await.unwrap();
    let at = Timestamp::from_millis(9);
    let sorted = triage("suite-group", &records, &ParkedOrders::default(), at);
    let orders: Vec<_> = sorted.park.iter().map(|p| p.order.clone()).collect();
    let id = Some(Bytes::from(id));
    assert_eq!(orders, [id.clone(), id.clone(), id.clone(), None]);
    let behind: Vec<bool> = sorted.park.iter().map(|p| p.cause == ParkCause::Behind).collect();
    assert_eq!(behind, [false, true, true, false]);

    // Looked up, it is the same: whoever parked it, and wherever it was.
    let park = sorted.park[..1].to_vec();
    world
        .consumer
        .write(move |tx| park.iter().try_for_each(|p| tx.park(p)))
        .await
        .unwrap_or_else(|e: StoreError| panic!("{e}"));
    let inbox: &dyn Inbox = &*world.consumer;
    for (record, waits) in records.iter().zip([true, true, true, false]) {
        let batch = std::slice::from_ref(record);
        let parked = ParkedOrders::among(inbox, "suite-group", batch).await.unwrap();
        let sorted = triage("suite-group", batch, &parked, at);
        assert_eq!(sorted.park[0].cause == ParkCause::Behind, waits, "{record:?}");
    }
}

/// Looking at a quiet topic does not read all that the others said in between.
#[tokio::test]
async fn a_quiet_topic_is_browsed_over_long_stretches_of_others() {
    let world = OneMachine::new();
    let loud = |n| message(TOPICS[0], &format!("key-{n}"), "{}", n);
    let mut quiet = Vec::new();
    for n in 0..4 {
        world.publish((0..1_500).map(|m| loud(n * 2_000 + m)).collect()).await;
        world.publish(vec![message(TOPICS[1], "quiet", &format!("{{\"n\":{n}}}"), n)]).await;
        quiet.push(format!("{{\"n\":{n}}}"));
    }
    let bounds = world.bus.bounds(&TOPICS[1..2]).await.unwrap();
    let partition = bounds.iter().find(|b| b.end > 0).unwrap().partition;
    for from in 0..=4 {
        let found = world.bus.browse(partition, from, 4).await.unwrap();
        let payloads: Vec<&[u8]> = found.iter().map(|r| &r.payload[..]).collect();
        let expected: Vec<&[u8]> = quiet.iter().skip(from as usize).map(|p| p.as_bytes()).collect();
        assert_eq!(payloads, expected);
    }
}
