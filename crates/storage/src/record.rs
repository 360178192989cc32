//! Records on their way out, and as a journal keeps them.

use bytes::Bytes;
use holdfast_contract::{Partition, Timestamp, Topic};

/// Counts the records of one journal over all topics, from 1, without gaps. 0 is "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Names one life of a log. A log that was wiped and made anew has another, so old positions are recognised as old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u64);

/// A record to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub topic: Topic,
    /// Chooses the partition; records with the same key keep their order.
    pub key: Bytes,
    /// One JSON object.
    pub payload: Bytes,
    /// When it happened.
    pub at: Timestamp,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<Bytes>,
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal; 0 on a bus that has no journal of its own.
    pub seq: Seq,
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// Its place in the partition, from 0, without gaps.
    pub offset: u64,
    /// Chose the partition.
    pub key: Bytes,
    /// One JSON object (or, from a foreign writer, anything).
    pub payload: Bytes,
    /// When it happened.
    pub at: Timestamp,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<Bytes>,
}

impl Record {
    /// Its partition of its topic.
    pub fn topic_partition(&self) -> crate::TopicPartition {
        crate::TopicPartition { topic: self.topic, partition: self.partition }
    }

    /// What it costs to keep in memory, in bytes.
    pub fn weight(&self) -> usize {
        std::mem::size_of::<Self>() + self.key.len() + self.payload.len()
    }
}
