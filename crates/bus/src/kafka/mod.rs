//! The bus of several machines: Apache Kafka.
//!
//! A consumer has two clients. One is the group's member: it takes part in rebalances on a thread of its own and tells the
//! broker how far the group is. The other reads, outside the group, from where the *inbox* says: the broker's committed
//! offsets are for tools only. An [`holdfast_storage::Incarnation`] stands for the topic's id, so a topic or a cluster that
//! was deleted and made anew is recognised, also while consumers run.

mod broker;
mod committed;
mod config;
mod consumer;
mod context;
mod fetcher;
mod member;
mod producer;
mod record;
mod scan;
mod tail;
mod topic_ids;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Group, Inbox, Incarnation, Record, TopicPartition};
use rdkafka::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::broker::{Broker, away};
use self::committed::Committed;
use self::consumer::KafkaConsumer;
use self::tail::KafkaTail;
use crate::{Bus, BusError, Consumer, Tail, TailFrom};

pub use self::broker::{TopicState, Topics};
pub use self::config::{KafkaConfig, KafkaConfigError};
pub use self::context::Telling;
pub use self::producer::{KafkaPublisher, ProducerOptions, ProducerState, record_headers};
pub use self::record::{OUTBOX_HEADER, Scanned, Stamp, TRACEPARENT_HEADER};
pub use self::scan::Scan;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The bus of several machines. Cheap to clone.
#[derive(Clone)]
pub struct KafkaBus {
    broker: Arc<Broker>,
}

impl KafkaBus {
    /// A bus on a cluster. Does not talk to it yet.
    ///
    /// # Errors
    /// If the configuration cannot be used. A cluster that is away is no error.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaConfigError> {
        config.check()?;
        Ok(Self { broker: Arc::new(Broker::new(config)) })
    }

    /// How it is configured.
    pub fn config(&self) -> &KafkaConfig {
        &self.broker.config
    }

    /// Creates the topics that are missing. Those that are there stay as they are.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if the cluster is away or refuses.
    pub async fn ensure_topics(&self) -> Result<(), BusError> {
        self.broker.ensure_topics().await
    }

    /// Keeps the topics there until `stop`, however long the cluster is away: creates them, and again when they vanish.
    pub async fn keep_topics(&self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let ensured = tokio::select! {
                () = stop.cancelled() => return,
                ensured = self.ensure_topics() => ensured,
            };
            let rest = match ensured {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.broker.config.topic_check
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::debug!(%error, source, "topics could not be looked after");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    pause
                }
            };
            // Between two looks, not synchronisation.
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Whether the cluster answered when it was asked last.
    pub fn reachable(&self) -> watch::Receiver<bool> {
        self.broker.reachable()
    }

    /// The topics as they were last seen.
    pub fn topics(&self) -> watch::Receiver<Topics> {
        self.broker.topics()
    }

    /// Looks topics up at the cluster; missing ones are absent.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] after a few seconds if the cluster is away.
    pub async fn describe(&self, topics: &[Topic]) -> Result<Topics, BusError> {
        self.broker.describe(topics).await
    }

    /// Positions as groups have told them to the broker. It knows of no parked messages.
    pub fn committed(&self) -> Arc<dyn Inbox> {
        Arc::new(Committed { broker: self.broker.clone() })
    }

    /// Reads partitions from an offset on (or the log's start, if that is later) to where they end now.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if the cluster is away.
    pub async fn scan(&self, from: Vec<(TopicPartition, u64)>) -> Result<Scan, BusError> {
        Scan::new(self.broker.clone(), from).await
    }

    /// What a client of the cluster needs; `role` is part of its name.
    pub fn client_config(&self, role: &str) -> ClientConfig {
        self.broker.config.client(role)
    }

    /// A topic's name at the cluster.
    pub fn topic_name(&self, topic: Topic) -> String {
        self.broker.name(topic)
    }

    /// The topic of that name at the cluster.
    pub fn topic_of(&self, name: &str) -> Option<Topic> {
        self.broker.topic(name)
    }

    /// A group's name at the cluster.
    pub fn group_name(&self, group: Group) -> String {
        self.broker.group(group)
    }

    async fn existing(&self, topics: &[Topic]) -> Result<Vec<TopicPartition>, BusError> {
        let there = self.broker.describe(topics).await?;
        match topics.iter().find(|topic| there.get(**topic).is_none()) {
            Some(missing) => Err(away(format!("{missing} is missing"))),
            None => Ok(there.partitions(topics)),
        }
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn subscribe(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        Ok(Box::new(KafkaConsumer::join(self.broker.clone(), group, topics, inbox)?))
    }

    async fn tail(&self, topics: &[Topic], from: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError> {
        Ok(Box::new(KafkaTail::start(self.broker.clone(), topics, from).await?))
    }

    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError> {
        let there = self.broker.describe(topics).await?;
        Ok(topics.iter().filter_map(|&topic| Some((topic, there.get(topic)?.incarnation))).collect())
    }

    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
        self.broker.bounds(&self.existing(topics).await?).await
    }

    async fn browse(
        &self,
        partition: TopicPartition,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        let mut scan = self.scan(vec![(partition, offset)]).await?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(records) = scan.next().await?
        {
            found.extend(records.into_iter().map(|scanned| Arc::new(scanned.record)));
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// Looks at topics now and then for as long as it is polled; never ends. What it sees comes to [`Broker::topics`].
type Lookout = BoxFuture<'static, ()>;

fn lookout(broker: Arc<Broker>, topics: Vec<Topic>) -> Lookout {
    Box::pin(async move {
        loop {
            tokio::time::sleep(broker.config.topic_check).await;
            // A cluster that is away is noticed elsewhere.
            let _ = broker.describe(&topics).await;
        }
    })
}
