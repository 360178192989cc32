//! What goes wrong, as answers; and pages of a log with gaps.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::{Bus, BusError, Consumer, ORDERS_GROUP, Tail, TailFrom};
use holdfast_contract::{Partition, Timestamp, Topic};
use holdfast_storage::{
    Bounds, Group, Inbox, Incarnation, Parked, ParkedId, Position, Record, Seq, StoreError, TopicPartition,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{DeadLetterError, DeadLetters, Mode, Operator, Outcome, router};
use crate::http::{HttpOptions, finish};
use crate::test_support::TestClient;

/// One topic whose partitions have these offsets, or nothing at all while it is away.
struct Log {
    partitions: Vec<Vec<u64>>,
    away: bool,
}

const TOPIC: Topic = Topic::InventoryReserved;

fn away() -> StoreError {
    StoreError::Unavailable("the secret host is away".to_owned())
}

impl Log {
    fn there(&self) -> Result<(), BusError> {
        if self.away { Err(away().into()) } else { Ok(()) }
    }
}

/// Later offsets are later; the partitions take turns.
fn record(partition: u16, offset: u64) -> Arc<Record> {
    Arc::new(Record {
        seq: Seq(0),
        topic: TOPIC,
        partition: Partition(partition),
        offset,
        key: Bytes::from_static(b"k"),
        payload: Bytes::from_static(b"{}"),
        at: Timestamp::from_millis(i64::try_from(offset).unwrap() * 10 + i64::from(partition)),
        traceparent: None,
    })
}

#[async_trait]
impl Bus for Log {
    async fn subscribe(
        &self,
        _: Group,
        _: &[Topic],
        _: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        Err(BusError::InvalidPosition)
    }

    async fn tail(&self, _: &[Topic], _: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError> {
        Err(BusError::InvalidPosition)
    }

    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError> {
        self.there()?;
        Ok(topics.iter().filter(|topic| **topic == TOPIC).map(|topic| (*topic, Incarnation(7))).collect())
    }

    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
        self.there()?;
        let of = |(p, offsets): (u16, &Vec<u64>)| Bounds {
            partition: TopicPartition { topic: TOPIC, partition: Partition(p) },
            start: offsets.first().copied().unwrap_or(0),
            end: offsets.last().map_or(0, |last| last + 1),
        };
        let there = topics.contains(&TOPIC);
        Ok((0..).zip(&self.partitions).filter(|_| there).map(of).collect())
    }

    async fn browse(
        &self,
        partition: TopicPartition,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        self.there()?;
        let p = partition.partition.0;
        let offsets = self.partitions[usize::from(p)].iter().filter(|at| **at >= offset);
        Ok(offsets.take(limit).map(|at| record(p, *at)).collect())
    }
}

struct Store {
    error: Option<fn() -> StoreError>,
}

#[async_trait]
impl Inbox for Store {
    async fn positions(&self, _: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.error.map_or(Ok(Vec::new()), |error| Err(error()))
    }

    async fn parked(&self, _: Group, _: Option<ParkedId>, _: usize) -> Result<Vec<Parked>, StoreError> {
        self.error.map_or(Ok(Vec::new()), |error| Err(error()))
    }
}

/// Fails once with what it was given, and says what it was asked.
#[derive(Default)]
struct Fails {
    next: Mutex<Option<DeadLetterError>>,
    asked: Mutex<Vec<(&'static str, ParkedId, Mode)>>,
}

impl Fails {
    fn answer(&self, what: &'static str, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        self.asked.lock().push((what, id, mode));
        self.next.lock().take().map_or_else(|| Ok(Outcome::default()), Err)
    }
}

#[async_trait]
impl DeadLetters for Fails {
    async fn replay(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        self.answer("replay", id, mode)
    }

    async fn discard(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        self.answer("discard", id, mode)
    }
}

fn serve(log: Log, store: Store, fails: Arc<Fails>) -> TestClient {
    let operator = Operator {
        service: "orders",
        group: ORDERS_GROUP,
        consumes: Topic::TO_ORDERS,
        bus: Arc::new(log),
        inbox: Arc::new(store),
        dead_letters: fails,
    };
    TestClient::new(finish(router(operator), HttpOptions::default()))
}

fn empty() -> Log {
    Log { partitions: vec![Vec::new()], away: false }
}

#[tokio::test]
async fn what_is_away_is_said_without_its_secrets() {
    let topics =
        ["/api/v1/topics", "/api/v1/topics/inventory.reserved", "/api/v1/topics/inventory.reserved/messages"];
    let letters = ["/api/v1/dead-letters", "/api/v1/dead-letters/orders-1"];
    let inconsistent = || StoreError::Inconsistent("a secret row".to_owned());
    let cases: [(Log, Store, &[&str], u16, &str); 3] = [
        (Log { away: true, ..empty() }, Store { error: None }, &topics, 503, "SERVICE_UNAVAILABLE"),
        (empty(), Store { error: Some(away) }, &letters, 503, "SERVICE_UNAVAILABLE"),
        (empty(), Store { error: Some(inconsistent) }, &letters, 500, "INTERNAL"),
    ];
    for (log, store, paths, status, code) in cases {
        let client = serve(log, store, Arc::default());
        for path in paths.iter().chain(&["/api/v1/groups"]) {
            let refused = client.get(path).send().await;
            assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{path}");
            assert!(!refused.text().contains("secret"), "{}", refused.text());
        }
    }
}

#[tokio::test]
async fn every_failure_of_a_replay_has_its_code() {
    let fails = Arc::new(Fails::default());
    let client = serve(empty(), Store { error: None }, fails.clone());
    let id = ParkedId(7);
    let poison = DeadLetterError::StillPoison { error: "no JSON".to_owned(), attempts: 3 };
    for (error, status, code, details) in [
        (DeadLetterError::NotFound(id), 404, "DEAD_LETTER_NOT_FOUND", Value::Null),
        (
            DeadLetterError::Behind { first: ParkedId(2) },
            409,
            "DEAD_LETTER_BEHIND",
            json!({"first": "orders-2"}),
        ),
        (poison, 422, "STILL_POISON", json!({"error": "no JSON", "attempts": 3})),
        (DeadLetterError::Overloaded, 503, "OVERLOADED", Value::Null),
        (DeadLetterError::Store(away()), 503, "SERVICE_UNAVAILABLE", Value::Null),
        (DeadLetterError::Store(StoreError::Inconsistent("x".to_owned())), 500, "INTERNAL", Value::Null),
    ] {
        *fails.next.lock() = Some(error);
        let refused = client.post("/api/v1/dead-letters/orders-7/replay").send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code));
        assert_eq!(refused.json["details"], details);
    }
    fails.asked.lock().clear();
    for body in [json!({}), json!({"dryRun": false}), json!({"dryRun": true})] {
        let done = client.post("/api/v1/dead-letters/orders-7/discard").json(&body).send().await;
        assert_eq!((done.status.as_u16(), &done.json["data"]["replayed"]), (200, &json!([])));
    }
    let modes = [Mode::Real, Mode::Real, Mode::DryRun].map(|mode| ("discard", id, mode));
    assert_eq!(*fails.asked.lock(), modes);
}

/// A log on Kafka may have gaps: nothing is left out, and nothing is shown twice.
#[tokio::test]
async fn a_log_with_gaps_is_paged_whole_from_either_end() {
    let partitions = vec![vec![3, 4, 50, 51, 52, 120], vec![], vec![0, 90, 91], (10..40).collect()];
    let all: usize = partitions.iter().map(Vec::len).sum();
    let log = Log { partitions, away: false };
    let client = serve(log, Store { error: None }, Arc::default());
    for from in ["newest", "oldest"] {
        for limit in [1, 2, 7, 200] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/topics/{TOPIC}/messages?from={from}&limit={limit}{cursor}");
                let page = client.get(&path).send().await;
                assert_eq!(page.status, 200, "{}", page.text());
                let place = |m: &Value| (m["partition"].as_u64().unwrap(), m["offset"].as_u64().unwrap());
                seen.extend(page.json["data"]["messages"].as_array().unwrap().iter().map(place));
                match page.json["meta"]["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            for partition in 0..4 {
                let mut offsets: Vec<u64> =
                    seen.iter().filter(|(p, _)| *p == partition).map(|(_, offset)| *offset).collect();
                if from == "newest" {
                    offsets.reverse();
                }
                assert!(offsets.is_sorted(), "{from} by {limit}: {offsets:?}");
            }
            let mut places = seen.clone();
            places.sort_unstable();
            places.dedup();
            assert_eq!((places.len(), seen.len()), (all, all), "{from} by {limit}");
        }
    }
}
