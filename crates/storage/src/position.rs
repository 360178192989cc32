//! How far a consumer has come.

use std::fmt;

use holdfast_contract::{Partition, Topic};

use crate::record::Incarnation;

/// Name of a consumer group.
pub type Group = &'static str;

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Up to where a partition's records have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which life of the log the offset counts in.
    pub incarnation: Incarnation,
    /// The offset of the next record to take effect.
    pub next: u64,
}

/// What a stored position means for a log as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOf {
    /// Go on here.
    Offset(u64),
    /// The log is another one, or the position lies outside it: start at its beginning (contract, invariant 9).
    Beginning,
}

impl Position {
    /// Where a consumer with this position starts in a log of `incarnation` that holds the offsets `start..end`.
    pub fn start_in(self, incarnation: Incarnation, start: u64, end: u64) -> StartOf {
        if self.incarnation == incarnation && (start..=end).contains(&self.next) {
            StartOf::Offset(self.next)
        } else {
            StartOf::Beginning
        }
    }
}

/// A move of a position, as part of a commit: void unless the stored position is still `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Whose.
    pub group: Group,
    /// Where.
    pub partition: TopicPartition,
    /// Expected; `None` if the group has none yet.
    pub from: Option<Position>,
    /// New.
    pub to: Position,
}
