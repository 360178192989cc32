//! The bus between the services: topics, partitions, offsets and consumer groups.
//!
//! [`Bus`], [`Consumer`] and [`Tail`] are the specification; [`embedded`] is the back-end for one machine, where a topic
//! is the producer's journal, and [`kafka`] the one for several. [`worker`] drives a consumer's handler, and [`triage`] keeps poison from stopping it.

mod batch;
pub mod embedded;
pub mod kafka;
mod metered;
pub mod relay;
mod retention;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod tail;
pub mod triage;
mod valve;
pub mod worker;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Group, Inbox, Incarnation, Record, StoreError, TopicPartition};
use thiserror::Error;

pub use batch::{Batch, Span};
pub use embedded::EmbeddedBus;
pub use kafka::{KafkaBus, KafkaConfig, KafkaConfigError};
pub use metered::Metered;
pub use retention::{Keeps, Retention};
pub use tail::{TailFrom, TailPosition};
pub use valve::{Valve, Valved};

/// The consumer group of the Products service.
pub const PRODUCTS_GROUP: Group = "products-service-group";
/// The consumer group of the Orders service.
pub const ORDERS_GROUP: Group = "orders-service-group";

/// Why the bus did not do what it was asked for.
#[derive(Debug, Error)]
pub enum BusError {
    /// The broker or the store behind the bus is away. Try again.
    #[error("the bus is not available")]
    Unavailable(#[source] StoreError),
    /// The place to start from is no longer in the log, or is of another log.
    #[error("too far behind: what was missed is no longer in the log")]
    TooFarBehind,
    /// The text is not a place in a log.
    #[error("not a place in the log")]
    InvalidPosition,
}

impl From<StoreError> for BusError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// Carries records from the services' journals to consumers.
///
/// # Specification
/// - A topic has a fixed number of partitions; records of one key are in one partition, in the order they were appended
///   in. Offsets of a partition count from 0, and only up; a foreign writer or the broker may leave gaps.
/// - Every record of a durable commit MUST be delivered to every group that consumes its topic, at least once.
/// - The members of a group share the partitions: each is assigned to exactly one member, and is assigned again within
///   bounded time when a member joins or leaves.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Joins a group; a broker that is away is no error, polling waits for it. The member starts where `inbox` says the group's effects have come to; without a position, or with
    /// one of another incarnation or outside the log, at the partition's beginning.
    async fn subscribe(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError>;

    /// Reads along outside any group, all partitions of `topics`.
    ///
    /// # Errors
    /// [`BusError::TooFarBehind`], [`BusError::InvalidPosition`].
    async fn tail(&self, topics: &[Topic], from: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError>;

    /// Which life the log of each of `topics` is in; missing topics are absent.
    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError>;

    /// The offsets that every partition of `topics` holds.
    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError>;

    /// Up to `limit` records of a partition from `offset` on, for looking at.
    async fn browse(
        &self,
        partition: TopicPartition,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError>;
}

/// A member of a consumer group. Leaves the group when dropped.
///
/// # Specification
/// - [`Consumer::poll`] MUST give each partition's records in order and without gaps from the member's position, and MUST
///   give the same records again until [`Consumer::commit`] was called for them: effects happen in the handler's commit,
///   and a crash before it means redelivery.
/// - [`Consumer::poll`] MUST be cancel safe, and MUST NOT give records of partitions that the member is not assigned.
/// - A batch that was given before a rebalance may be stale: the compare-and-set of its spans decides.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for records; gives at least one and about `max` at most.
    async fn poll(&mut self, max: usize) -> Result<Batch, BusError>;

    /// The effects of `batch` (the one that was polled last) are durable: go on after it.
    async fn commit(&mut self, batch: &Batch) -> Result<(), BusError>;

    /// Forgets where the member is and reads its positions from the inbox again; what it reads then is of another
    /// [`Batch::generation`].
    fn reset(&mut self);
}

/// Reads along outside any group.
///
/// # Specification
/// - Gives every record of its topics after its start, each once; records of one key in order.
/// - [`Tail::next`] MUST be cancel safe.
#[async_trait]
pub trait Tail: Send {
    /// Waits for records; gives at least one and at most `max`.
    async fn next(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError>;

    /// After the last record given. Step a copy along with [`TailPosition::step`] for the place after each.
    fn position(&self) -> &TailPosition;
}
