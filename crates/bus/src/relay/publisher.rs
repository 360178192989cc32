//! What a relay needs of a broker.

use async_trait::async_trait;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Incarnation, OutboxId, TopicPartition, Unsent};
use thiserror::Error;

/// Why publishing cannot go on as it is. None of them gives a record up: the relay starts again, and looks first.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The broker cannot be talked to.
    #[error("the broker is away: {0}")]
    Away(String),
    /// A topic was deleted or made anew.
    #[error("the broker's topics are not those that they were")]
    Replaced,
    /// The producer is of no more use, or the broker refuses a record.
    #[error("the producer failed: {0}")]
    Failed(String),
    /// Nothing came back from the broker for too long.
    #[error("the broker has acknowledged nothing for {0} s")]
    Stalled(u64),
}

/// A topic's logs at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// This life of them.
    pub incarnation: Incarnation,
    /// How many there are, at least 1.
    pub partitions: u16,
}

/// A record of the outbox that the broker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub id: OutboxId,
    /// Where: the partition …
    pub partition: TopicPartition,
    /// … and the place in it.
    pub offset: u64,
}

/// The broker has taken a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// What [`Session::publish`] was given.
    pub ticket: u64,
    /// Where it put it.
    pub offset: u64,
}

/// A way to a broker.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// A new producer for an outbox, with the broker's topics as they are now.
    ///
    /// # Errors
    /// If the broker is away, or a topic is missing and cannot be made.
    async fn open(&self, outbox: Incarnation, topics: &[Topic]) -> Result<Box<dyn Session>, PublishError>;
}

/// A producer.
///
/// # Specification
/// - The records of a partition MUST get into its log in the order of [`Session::publish`], each once, for as long as the
///   session lives. After an error what was published and not acknowledged may be in the log or not, but nothing MUST get
///   there any more once [`Session::close`] has come back.
/// - Acknowledgements that came before an error MUST be given before it.
#[async_trait]
pub trait Session: Send {
    /// A topic's logs; `None` if it was not among those that the session was opened for.
    fn log(&self, topic: Topic) -> Option<Log>;

    /// Those of the outbox's records that the broker has between these places and the ends of the logs.
    async fn find(&mut self, from: Vec<(TopicPartition, u64)>) -> Result<Vec<Found>, PublishError>;

    /// Sends a record soon; `false` if there is no room for it before another is acknowledged.
    ///
    /// # Errors
    /// If the session has failed.
    fn publish(&mut self, ticket: u64, partition: Partition, unsent: &Unsent) -> Result<bool, PublishError>;

    /// Waits for at least one acknowledgement and adds those that there are. Cancel safe.
    ///
    /// # Errors
    /// If the session has failed.
    async fn acks(&mut self, acks: &mut Vec<Ack>) -> Result<(), PublishError>;

    /// Gives up what is not acknowledged yet.
    async fn close(self: Box<Self>);
}
