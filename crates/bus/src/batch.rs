//! What a consumer is given at once.

use std::sync::Arc;

use holdfast_storage::{Advance, Group, Position, Record, TopicPartition};

/// How far a batch moves a partition's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The partition.
    pub partition: TopicPartition,
    /// What the inbox must still say when the effects commit.
    pub from: Option<Position>,
    /// After the batch.
    pub to: Position,
}

/// Records of one or more partitions; those of one partition in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The records, at least one.
    pub records: Vec<Arc<Record>>,
    /// One for each partition that they are from.
    pub spans: Vec<Span>,
    /// Changes whenever the member's share of the partitions may have, and with [`crate::Consumer::reset`]: what a handler
    /// remembers of its partitions is void then, for others may have moved it on meanwhile.
    /// Stays as it is while the member goes on by itself. Means nothing outside this consumer.
    pub generation: u64,
}

impl Batch {
    /// What the commit of the batch's effects must move.
    pub fn advances(&self, group: Group) -> Vec<Advance> {
        self.spans
            .iter()
            .map(|span| Advance { group, partition: span.partition, from: span.from, to: span.to })
            .collect()
    }
}
