//! A bus on a real broker, with topics and groups of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use holdfast_bus::kafka::{KafkaBus, KafkaConfig, TRACEPARENT_HEADER};
use holdfast_bus::suite::{TOPICS, World};
use holdfast_bus::{Batch, Bus, BusError, Consumer};
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Timestamp, Topic};
use holdfast_servers::unique_name;
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{Advance, Group, Inbox, Outgoing, Record, StoreError, TopicPartition};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::OnceCell;

pub(crate) const GROUP: Group = "test-group";
/// Generous: only a hang takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const NONE: Migrations = Migrations { component: "test", steps: &[] };

/// Of each topic, as the bus makes it by default.
const PARTITIONS: i32 = 3;

/// A bus, a producer beside it, and an inbox.
pub(crate) struct Cluster {
    pub(crate) bus: KafkaBus,
    pub(crate) inbox: Arc<Database>,
    producer: OnceCell<FutureProducer>,
    _folder: tempfile::TempDir,
}

/// What tests use: own names, and times that make them quick.
pub(crate) fn config(brokers: &str) -> KafkaConfig {
    let prefix = format!("{}.", unique_name("bus"));
    KafkaConfig {
        topic_prefix: prefix.clone(),
        group_prefix: prefix,
        session_timeout: Duration::from_secs(6),
        topic_check: Duration::from_millis(500),
        ..KafkaConfig::new(brokers)
    }
}

impl Cluster {
    /// With its topics there.
    pub(crate) async fn new(brokers: &str) -> Self {
        let cluster = Self::with(config(brokers));
        cluster.bus.ensure_topics().await.unwrap();
        cluster
    }

    /// As configured; no topic is made.
    pub(crate) fn with(config: KafkaConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("inbox.db"), NONE, Topic::FROM_PRODUCTS);
        Self {
            bus: KafkaBus::new(config).unwrap(),
            inbox: Arc::new(Database::open(&options).unwrap()),
            producer: OnceCell::new(),
            _folder: folder,
        }
    }

    async fn producer(&self) -> &FutureProducer {
        let make = || async {
            let mut config = self.bus.client_config("producer");
            config.set("enable.idempotence", "true").set("message.timeout.ms", "0");
            config.create().unwrap()
        };
        self.producer.get_or_init(make).await
    }

    /// Publishes a record as it is, also what Holdfast would not write.
    pub(crate) async fn publish_raw(
        &self,
        partition: TopicPartition,
        key: Option<&str>,
        payload: Option<&str>,
        headers: &[(&str, &str)],
    ) {
        let name = self.bus.topic_name(partition.topic);
        let mut record: FutureRecord<'_, str, str> =
            FutureRecord::to(&name).partition(i32::from(partition.partition.0));
        record.key = key;
        record.payload = payload;
        let owned = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, &(key, value)| all.insert(Header { key, value: Some(value) }));
        let sent = self.producer().await.send(record.headers(owned), PATIENCE).await;
        sent.unwrap();
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.bus.client_config("admin").create().unwrap()
    }

    /// Deletes the topics and makes them anew.
    pub(crate) async fn recreate_topics(&self, topics: &[Topic]) {
        let names: Vec<String> = topics.iter().map(|&topic| self.bus.topic_name(topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        for deleted in self.admin().delete_topics(&names, &options).await.unwrap() {
            deleted.unwrap();
        }
        // Not by the bus, which would look first: a broker may show what is deleted for a moment longer, and then refuses to
        // make it anew.
        for name in names {
            eventually(|| async {
                let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
                self.admin()
                    .create_topics([&topic], &options)
                    .await
                    .unwrap()
                    .into_iter()
                    .all(|made| made.is_ok())
            })
            .await;
        }
    }

    pub(crate) async fn subscribe(&self) -> Box<dyn Consumer> {
        self.bus.subscribe(GROUP, TOPICS, self.inbox.clone()).await.unwrap()
    }

    /// Commits what was polled.
    pub(crate) async fn settle(&self, consumer: &mut dyn Consumer, batch: &Batch) -> Result<(), StoreError> {
        self.advance(batch.advances(GROUP)).await?;
        consumer.commit(batch).await.unwrap();
        Ok(())
    }

    /// Polls and commits as [`holdfast_bus::worker`] does, until `done` says so of everything that was committed.
    pub(crate) async fn consume(
        &self,
        consumer: &mut dyn Consumer,
        mut done: impl FnMut(&[Arc<Record>]) -> bool,
    ) -> Vec<Arc<Record>> {
        let mut records = Vec::new();
        while !done(&records) {
            let polled = tokio::time::timeout(PATIENCE, consumer.poll(50)).await;
            let settled = match polled.expect("records come") {
                Ok(batch) => match self.settle(consumer, &batch).await {
                    Ok(()) => {
                        records.extend(batch.records);
                        continue;
                    }
                    Err(error) => BusError::from(error),
                },
                Err(error) => error,
            };
            assert!(matches!(settled, BusError::Unavailable(_)), "{settled}");
            consumer.reset();
            tokio::task::yield_now().await;
        }
        records
    }
}

#[async_trait]
impl World for Cluster {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.bus.clone())
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.inbox.clone()
    }

    async fn publish(&self, records: Vec<Outgoing>) {
        let producer = self.producer().await;
        let sends = records.iter().map(|record| {
            let partition = partition_of(&record.key, self.bus.config().partitions);
            let name = self.bus.topic_name(record.topic);
            let at = record.at.to_string();
            let mut headers = OwnedHeaders::new().insert(Header { key: "ce_time", value: Some(&at) });
            if let Some(trace) = &record.traceparent {
                headers = headers.insert(Header { key: TRACEPARENT_HEADER, value: Some(trace.as_ref()) });
            }
            let future = producer
                .send_result(
                    FutureRecord::to(&name)
                        .partition(i32::from(partition.0))
                        .key(record.key.as_ref())
                        .payload(record.payload.as_ref())
                        .headers(headers),
                )
                .map_err(|(error, _)| error)
                .unwrap();
            async { future.await.unwrap().map_err(|(error, _)| error).unwrap() }
        });
        join_all(sends).await;
    }

    async fn advance(&self, advances: Vec<Advance>) -> Result<(), StoreError> {
        self.inbox.write(move |tx| advances.iter().try_for_each(|a| tx.advance(a))).await
    }

    async fn forget_some(&self) {
        let mut before = TopicPartitionList::new();
        for b in self.bus.bounds(TOPICS).await.unwrap() {
            let half = i64::try_from((b.start + b.end) / 2).unwrap();
            let name = self.bus.topic_name(b.partition.topic);
            before
                .add_partition_offset(&name, i32::from(b.partition.partition.0), Offset::Offset(half))
                .unwrap();
        }
        self.admin().delete_records(&before, &AdminOptions::new()).await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A broker that a test has stopped for good must not keep the process.
        if let Some(producer) = self.producer.get() {
            producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        }
    }
}

/// Numbered messages of a few keys over both topics of the suite.
pub(crate) fn messages(range: std::ops::Range<u32>) -> Vec<Outgoing> {
    range.map(|n| message(TOPICS[(n % 2) as usize], &format!("key-{}", n / 2 % 20), n)).collect()
}

pub(crate) fn message(topic: Topic, key: &str, n: u32) -> Outgoing {
    Outgoing {
        topic,
        key: Bytes::copy_from_slice(key.as_bytes()),
        payload: Bytes::from(n.to_string()),
        at: Timestamp::from_millis(1_763_600_000_000 + i64::from(n)),
        traceparent: None,
    }
}

/// The numbers of messages, sorted.
pub(crate) fn numbers(records: &[Arc<Record>]) -> Vec<u32> {
    let number = |r: &Arc<Record>| std::str::from_utf8(&r.payload).unwrap().parse().unwrap();
    let mut numbers: Vec<u32> = records.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Asks again and again until it is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let asking = async {
        while !is_so().await {
            // A question to a server, not synchronisation with it.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it comes to be so");
}
