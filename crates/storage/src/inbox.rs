//! The consumer's side: positions and parked messages, kept in the database of the effects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Timestamp;

use crate::error::StoreError;
use crate::position::{Group, Position, TopicPartition};
use crate::record::Record;

/// Why a message was parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkCause {
    /// A fault of the message itself; the text says which.
    Poison(String),
    /// An earlier message of the same order in the same topic is parked, and order per order is kept.
    Behind,
}

/// A message to be parked, as part of the commit that moves the position past it.
#[derive(Clone, Debug)]
pub struct ToPark {
    /// The group that could not process it.
    pub group: Group,
    /// The message.
    pub record: Arc<Record>,
    /// What later messages are parked behind: the order id, or `None` if it could not be read (parks alone).
    pub order: Option<Bytes>,
    /// Why.
    pub cause: ParkCause,
    /// When.
    pub at: Timestamp,
}

/// Names a parked message in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParkedId(pub i64);

/// A parked message.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its name.
    pub id: ParkedId,
    /// The message, with its original place.
    pub record: Arc<Record>,
    /// What later messages are parked behind.
    pub order: Option<Bytes>,
    /// Why.
    pub cause: ParkCause,
    /// When.
    pub parked_at: Timestamp,
    /// How often a replay has failed.
    pub attempts: u32,
}

/// What a consumer group has reached and set aside.
///
/// # Specification
/// - Positions and parked messages MUST change only in the commits of the service's store, together with the effects
///   (a store's write takes [`crate::Advance`]s and [`ToPark`]s); a commit whose `from` is not the stored position MUST
///   fail with [`StoreError::StaleWorker`] and change nothing.
/// - Parked messages MUST be listed in the order they were parked in, and MUST stay until a commit removes them.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// The group's positions; partitions that it never moved in are absent.
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError>;

    /// Up to `limit` of the group's parked messages after `after`.
    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError>;
}
