//! Reading partitions from places of our own choice, outside any group.

use std::sync::Arc;

use futures_util::FutureExt;
use holdfast_storage::TopicPartition;
use rdkafka::Message;
use rdkafka::Offset;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::broker::{Broker, away};
use super::context::Telling;
use super::record::Scanned;
use crate::BusError;

/// What came.
#[derive(Debug)]
pub(super) enum Fetched {
    Record(Box<Scanned>),
    /// Everything of the partition of this number was given. Only with [`Fetcher::new`]'s `ends`.
    End(u16),
    /// A partition cannot be read on, or the client is of no use any more: make another one.
    Broken(KafkaError),
}

/// Prefetches the partitions that it is told to.
pub(super) struct Fetcher {
    broker: Arc<Broker>,
    /// Only taken when dropped.
    consumer: Option<StreamConsumer<Telling>>,
}

impl Fetcher {
    /// Starts a client that reads nothing yet. `ends`: it also says when a partition has come to its end.
    pub(super) fn new(broker: Arc<Broker>, role: &str, group: &str, ends: bool) -> Result<Self, BusError> {
        let consumer = broker
            .config
            .client(role)
            // The library wants one; we never join it.
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", if ends { "true" } else { "false" })
            // A record is handed over as soon as it is there; many at once when there are many.
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "50")
            .set("queued.min.messages", "5000")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.message.max.bytes", "1048576")
            .create_with_context::<_, StreamConsumer<Telling>>(Telling)
            .map_err(away)?;
        Ok(Self { broker, consumer: Some(consumer) })
    }

    fn consumer(&self) -> Result<&StreamConsumer<Telling>, BusError> {
        self.consumer.as_ref().ok_or_else(|| away("the client is closed"))
    }

    /// Begins to read partitions that it does not read yet.
    pub(super) fn add(&self, starts: &[(TopicPartition, u64)]) -> Result<(), BusError> {
        if starts.is_empty() {
            return Ok(());
        }
        let offset = |next: u64| Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        let list = self.broker.list(starts.iter().map(|&(partition, next)| (partition, offset(next))))?;
        self.consumer()?.incremental_assign(&list).map_err(away)
    }

    /// Stops reading partitions; what was fetched of them is not given any more.
    pub(super) fn remove(&self, partitions: &[TopicPartition]) -> Result<(), BusError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let list = self.broker.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        self.consumer()?.incremental_unassign(&list).map_err(away)
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn next(&self) -> Fetched {
        let Some(consumer) = &self.consumer else { return std::future::pending().await };
        loop {
            let fetched = match consumer.recv().await {
                Ok(message) => self
                    .broker
                    .topic(message.topic())
                    .map(|topic| Fetched::Record(Box::new(Scanned::new(topic, &message)))),
                Err(error) => interpret(error),
            };
            if let Some(fetched) = fetched {
                return fetched;
            }
        }
    }

    /// What is there already.
    pub(super) fn ready(&self) -> Option<Fetched> {
        self.next().now_or_never()
    }
}

/// What an error means; `None` if the library deals with it by itself.
fn interpret(error: KafkaError) -> Option<Fetched> {
    match error {
        KafkaError::PartitionEOF(partition) => u16::try_from(partition).ok().map(Fetched::End),
        KafkaError::MessageConsumptionFatal(_) => Some(Fetched::Broken(error)),
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::Fatal,
        ) => Some(Fetched::Broken(error)),
        error => {
            tracing::debug!(%error, "reading from Kafka");
            None
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        // Closing waits for the client's threads.
        if let Some(consumer) = self.consumer.take() {
            std::thread::spawn(move || drop(consumer));
        }
    }
}
