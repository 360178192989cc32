//! The truth, for who checks it: what is stored at one moment, without the traits.

use std::sync::Arc;

use holdfast_storage::{Bounds, Group, Parked, Position, Record, Sent, Seq, TopicPartition};

use super::disk::State;
use super::log::Log;

/// What is stored. Everything is borrowed; nothing here costs more than what is looked at.
pub struct View<'a, S> {
    pub(super) state: &'a State<S>,
}

impl<'a, S> View<'a, S> {
    pub(super) fn new(state: &'a State<S>) -> Self {
        Self { state }
    }

    pub(super) fn log(&self) -> &'a Log {
        &self.state.log
    }

    pub(super) fn shard_up_to(&self, shard: usize) -> u64 {
        self.state.published.shard_up_to(shard)
    }

    /// How many commits took effect.
    pub fn commits(&self) -> u64 {
        self.state.commits
    }

    /// The newest outgoing record.
    pub fn newest(&self) -> Seq {
        Seq(self.log().newest())
    }

    /// The outgoing records after `after` that are not forgotten, oldest first.
    pub fn records(&self, after: Seq) -> impl Iterator<Item = &'a Arc<Record>> + use<'a, S> {
        self.log().after(after.0)
    }

    /// Every partition's offsets.
    pub fn bounds(&self) -> impl Iterator<Item = Bounds> + use<'a, S> {
        self.log().bounds()
    }

    /// Every record up to this one was recorded as sent, or forgotten.
    pub fn published(&self) -> Seq {
        Seq(self.state.published.up_to(self.log()))
    }

    /// Where the broker has a record, as a relay recorded it.
    pub fn sent(&self, record: Seq) -> Option<Sent> {
        self.state.published.place(record.0).copied()
    }

    /// Every group's positions.
    pub fn positions(&self) -> impl Iterator<Item = (Group, TopicPartition, Position)> + use<'a, S> {
        self.state.inbox.all_positions()
    }

    /// A group's position in a partition.
    pub fn position(&self, group: Group, partition: TopicPartition) -> Option<Position> {
        self.state.inbox.position(group, partition)
    }

    /// Every group's parked messages, each group's in the order they were parked in.
    pub fn parked(&self) -> impl Iterator<Item = (Group, &'a Parked)> + use<'a, S> {
        self.state.inbox.all_parked()
    }
}
