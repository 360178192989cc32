//! The outbox: outgoing records on their way from a service's database to a broker.
//!
//! A relay claims a shard, publishes what is unsent in it, and records where the broker put it. With the embedded bus
//! there is no relay: consumers read the [`crate::Journal`] itself.

use std::fmt;

use async_trait::async_trait;
use holdfast_contract::{Partition, Topic};
use tokio::sync::watch;

use crate::error::StoreError;
use crate::position::{Position, TopicPartition};
use crate::record::{Incarnation, Outgoing};

/// Names an outgoing record in its outbox. Of one record key, later records have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId {
    /// What the number counts in: an order, say; 0 where one count runs through the whole outbox.
    pub scope: u64,
    /// Counts up, not necessarily without gaps.
    pub number: u64,
}

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.scope, self.number)
    }
}

/// A record that is not known to be at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Its name.
    pub id: OutboxId,
    /// The record.
    pub record: Outgoing,
}

/// Where the broker has put a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which record.
    pub id: OutboxId,
    /// The partition.
    pub partition: TopicPartition,
    /// Which life of the partition's log.
    pub incarnation: Incarnation,
    /// Its place in it.
    pub offset: u64,
}

/// The outgoing records of one service's database.
///
/// # Specification
/// - A record MUST be in the outbox exactly when the commit that made it is durable, and MUST stay until it was recorded
///   as sent.
/// - All records of one key MUST be in one shard.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The topics that its records go to.
    fn topics(&self) -> &[Topic];

    /// Names this life of the database; with an [`OutboxId`] it names a record among those of all outboxes.
    fn incarnation(&self) -> Incarnation;

    /// How many relays can work side by side, at least 1.
    fn shards(&self) -> u16;

    /// Whether records of `shard` may go to this one of the `partitions` of a topic. MUST be true where they may.
    fn goes_to(&self, _shard: u16, _partition: Partition, _partitions: u16) -> bool {
        true
    }

    /// Changes after every commit of this process that made records. Other processes' commits need not wake it: relays
    /// also look now and then.
    fn committed(&self) -> watch::Receiver<u64>;

    /// Becomes the one relay of a shard; `None` while somebody else is. A claim that is neither used nor dropped ends by
    /// itself within [`CLAIM_SECONDS`].
    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError>;
}

/// How long a claim outlives its owner's last sign of life, in seconds.
pub const CLAIM_SECONDS: u64 = 5;

/// The right to publish a shard's records. Given back when dropped, at the latest after [`CLAIM_SECONDS`].
///
/// # Specification
/// - [`Claim::unsent`] MUST give the records of one key in the order they were made in, and each once until
///   [`Claim::rewind`]; what it gave after a record's key MUST have been made after it.
/// - [`Claim::sent`] MUST be durable before it is answered, and MUST fail with [`StoreError::ClaimLost`] and record nothing
///   if somebody else has claimed the shard. Recording the same records again MUST be harmless.
/// - [`Claim::unsent`] too may fail with [`StoreError::ClaimLost`].
#[async_trait]
pub trait Claim: Send {
    /// Up to about `limit` more records; none if everything was given, or if `limit` is 0. Also tells the others that the
    /// owner lives.
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError>;

    /// These records are at the broker. Those of one key come in their order; nothing is left out between them.
    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError>;

    /// Per partition the place after the last record that was recorded as sent, by any owner of the shard: what was
    /// published and not recorded is after it. Partitions that nothing was recorded of are absent.
    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError>;

    /// Forgets what was given and not recorded as sent: it is given again.
    fn rewind(&mut self);
}

/// Says where a broker has the records that a journal counted. Only for a journal behind a broker.
#[async_trait]
pub trait Places: Send + Sync {
    /// The broker's offset of what is at `offset` in the journal's partition; `None` if it was not published yet, or by a
    /// log that is gone.
    async fn at_broker(&self, partition: TopicPartition, offset: u64) -> Result<Option<u64>, StoreError>;
}
