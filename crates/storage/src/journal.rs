//! The journal: outgoing records, in the order of the commits that made them.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::position::TopicPartition;
use crate::record::{Incarnation, Record, Seq};

/// Which offsets a partition holds: `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The partition.
    pub partition: TopicPartition,
    /// The oldest offset that is kept.
    pub start: u64,
    /// The offset that the next record will get.
    pub end: u64,
}

/// Reads the outgoing records of one service. (They are appended by the store's commit, never through this trait.)
///
/// # Specification
/// - Records MUST appear in the journal exactly when the commit that appended them is durable, all of a commit's at
///   once; `seq` and each partition's `offset` MUST count without gaps in the order of the commits.
/// - A record's partition MUST be [`holdfast_contract::topic::partition_of`] its key.
/// - [`Journal::committed`] MUST wake its receivers after every commit that appended records, and MUST NOT name a `seq`
///   that [`Journal::read`] does not show yet.
/// - The incarnation MUST stay the same for as long as the records do, and differ for a journal that was made anew.
/// - [`Journal::trim`] MUST NOT change the offsets of the records that stay, and `seq` and offsets MUST go on counting also
///   when none stays.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The topics whose records it holds.
    fn topics(&self) -> &[Topic];

    /// Partitions of each topic.
    fn partitions(&self) -> u16;

    /// Names this life of the journal.
    fn incarnation(&self) -> Incarnation;

    /// The newest durable record.
    fn committed(&self) -> watch::Receiver<Seq>;

    /// Up to `limit` records after `after`, oldest first; what was trimmed is left out.
    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Record>>, StoreError>;

    /// A place to start reading from so that no record of `partition` from `offset` on is missed: [`Journal::read`]
    /// after it shows them all, and at most a bounded number of others first.
    async fn locate(&self, partition: TopicPartition, offset: u64) -> Result<Seq, StoreError>;

    /// Every partition's offsets.
    async fn bounds(&self) -> Result<Vec<Bounds>, StoreError>;

    /// Forgets records up to and including `up_to`, a bounded number in one call; says how many. Callers make sure that
    /// no consumer still needs them.
    async fn trim(&self, up_to: Seq) -> Result<usize, StoreError>;
}
