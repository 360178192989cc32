//! The consumer's side: positions and parked messages, kept in the database of the effects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Timestamp, Topic};

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

impl Parked {
    /// Whether one of the two waits for the other: they are of one order and topic.
    pub fn is_of_order_of(&self, other: &Self) -> bool {
        self.order.is_some() && self.order == other.order && self.record.topic == other.record.topic
    }
}

/// Which of a group's parked messages; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedFilter {
    /// Only those of this topic.
    pub topic: Option<Topic>,
    /// Only those of this order ([`Parked::order`]).
    pub order: Option<Bytes>,
}

impl ParkedFilter {
    /// Those of the order and topic of `message`; all of its topic if it names no order.
    pub fn like(message: &Parked) -> Self {
        Self { topic: Some(message.record.topic), order: message.order.clone() }
    }

    fn takes(&self, message: &Parked) -> bool {
        self.topic.is_none_or(|topic| topic == message.record.topic)
            && self.order.as_ref().is_none_or(|order| message.order.as_ref() == Some(order))
    }
}

/// Messages read at once.
const PAGE: usize = 500;

/// What a consumer group has reached and set aside.
///
/// # Specification
/// - Positions and parked messages MUST change only in the commits of the service's store, together with the effects
///   (a store's write takes [`crate::Advance`]s and [`ToPark`]s); a commit whose `from` is not the stored position MUST
///   fail with [`StoreError::StaleWorker`] and change nothing.
/// - Parked messages MUST be listed in the order they were parked in, and MUST stay until a commit removes them.
/// - A message MUST be parked as [`ParkCause::Behind`] only if one of its group, topic and order is parked when the commit
///   takes effect, or earlier in the same commit; else the commit MUST fail with [`StoreError::NothingBefore`] and change
///   nothing. What is known of parked orders may be old: another instance may replay them, and a message that is parked
///   behind nothing would wait for ever.
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

    /// As [`Inbox::parked`], only those that `filter` takes. Back-ends that can look them up do.
    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        mut after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let mut found = Vec::new();
        loop {
            let page = self.parked(group, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id);
            found.extend(page.into_iter().filter(|message| filter.takes(message)).take(limit - found.len()));
            if found.len() == limit {
                return Ok(found);
            }
        }
    }

    /// One parked message of the group.
    async fn parked_message(&self, group: Group, id: ParkedId) -> Result<Option<Parked>, StoreError> {
        let before = ParkedId(id.0.saturating_sub(1));
        let found = self.parked(group, Some(before), 1).await?;
        Ok(found.into_iter().find(|message| message.id == id))
    }

    /// Which of these orders, each with a topic, have messages of that topic parked.
    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        let mut found = Vec::new();
        for (topic, order) in orders {
            let filter = ParkedFilter { topic: Some(topic), order: Some(order.clone()) };
            if !self.parked_like(group, &filter, None, 1).await?.is_empty() {
                found.push((topic, order));
            }
        }
        Ok(found)
    }

    /// How many messages of the group are parked in each partition; partitions without any are absent.
    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        let mut counts: Vec<(TopicPartition, u64)> = Vec::new();
        let mut after = None;
        loop {
            let page = self.parked(group, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(counts) };
            after = Some(last.id);
            for message in page {
                let partition = message.record.topic_partition();
                match counts.iter_mut().find(|(counted, _)| *counted == partition) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((partition, 1)),
                }
            }
        }
    }
}
