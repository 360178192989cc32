//! The journal: records in the order of the commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_contract::topic::partition_of;
use holdfast_storage::{Bounds, Incarnation, Journal, Outgoing, Record, Seq, StoreError, TopicPartition};
use tokio::sync::watch;

use super::MemoryOptions;
use super::disk::Memory;

/// Records forgotten by one call.
const TRIM: usize = 2_000;

pub(super) struct Log {
    topics: &'static [Topic],
    partitions: u16,
    /// Without gaps, up to `newest`.
    records: VecDeque<Arc<Record>>,
    newest: u64,
    /// By partition the `seq` of each offset, of forgotten records too.
    offsets: BTreeMap<TopicPartition, Vec<u64>>,
    committed: watch::Sender<Seq>,
    counted: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new(topics: &'static [Topic], options: &MemoryOptions) -> Self {
        Self {
            topics,
            partitions: options.partitions.max(1),
            records: VecDeque::new(),
            newest: 0,
            offsets: BTreeMap::new(),
            committed: watch::Sender::new(Seq(0)),
            counted: watch::Sender::new(0),
        }
    }

    /// Whether these may be appended.
    pub(super) fn check<'o>(
        &self,
        outgoing: impl IntoIterator<Item = &'o Outgoing>,
    ) -> Result<(), StoreError> {
        match outgoing.into_iter().find(|outgoing| !self.topics.contains(&outgoing.topic)) {
            None => Ok(()),
            Some(Outgoing { topic, .. }) => {
                Err(StoreError::Inconsistent(format!("{topic} is none of this journal's topics")))
            }
        }
    }

    pub(super) fn append(&mut self, outgoing: Outgoing) -> Arc<Record> {
        let Outgoing { topic, key, payload, at, traceparent } = outgoing;
        let partition = partition_of(&key, self.partitions);
        self.newest += 1;
        let offsets = self.offsets.entry(TopicPartition { topic, partition }).or_default();
        let (seq, offset) = (Seq(self.newest), offsets.len() as u64);
        offsets.push(self.newest);
        let record = Arc::new(Record { seq, topic, partition, offset, key, payload, at, traceparent });
        self.records.push_back(record.clone());
        record
    }

    /// Wakes who waits for records, if there are new ones.
    pub(super) fn announce(&self) {
        if self.committed.borrow().0 < self.newest {
            self.committed.send_replace(Seq(self.newest));
            self.counted.send_replace(self.newest);
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) fn trimmed(&self) -> u64 {
        self.newest - self.records.len() as u64
    }

    /// The records after `after` that are not forgotten.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = &Arc<Record>> {
        let skip = after.saturating_sub(self.trimmed()).min(self.records.len() as u64);
        self.records.range(skip as usize..)
    }

    /// `None` if it was forgotten, or is not there yet.
    pub(super) fn get(&self, seq: u64) -> Option<&Arc<Record>> {
        let place = seq.checked_sub(self.trimmed() + 1)?;
        self.records.get(usize::try_from(place).ok()?)
    }

    /// Also of a record that was forgotten.
    pub(super) fn seq_at(&self, partition: TopicPartition, offset: u64) -> Option<u64> {
        self.offsets.get(&partition)?.get(usize::try_from(offset).ok()?).copied()
    }

    pub(super) fn bounds(&self) -> impl Iterator<Item = Bounds> {
        let all = self.topics.iter().flat_map(|&topic| {
            (0..self.partitions)
                .map(move |n| TopicPartition { topic, partition: holdfast_contract::Partition(n) })
        });
        let trimmed = self.trimmed();
        all.map(move |partition| {
            let offsets = self.offsets.get(&partition).map_or(&[][..], Vec::as_slice);
            let start = offsets.partition_point(|&seq| seq <= trimmed) as u64;
            Bounds { partition, start, end: offsets.len() as u64 }
        })
    }

    fn trim(&mut self, up_to: u64) -> usize {
        let count = up_to.min(self.newest).saturating_sub(self.trimmed()).min(TRIM as u64) as usize;
        self.records.drain(..count);
        count
    }
}

impl<S: Send> Memory<S> {
    fn of_log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        self.look(|view| read(view.log()))
    }

    pub(super) fn log_topics(&self) -> &'static [Topic] {
        self.of_log(|log| log.topics)
    }

    pub(super) fn log_incarnation(&self) -> Incarnation {
        self.options().incarnation
    }

    pub(super) fn log_counted(&self) -> watch::Receiver<u64> {
        self.of_log(|log| log.counted.subscribe())
    }
}

#[async_trait]
impl<S: Send + 'static> Journal for Memory<S> {
    fn topics(&self) -> &[Topic] {
        self.log_topics()
    }

    fn partitions(&self) -> u16 {
        self.of_log(|log| log.partitions)
    }

    fn incarnation(&self) -> Incarnation {
        self.log_incarnation()
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.of_log(|log| log.committed.subscribe())
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inspect(|state| state.log.after(after.0).take(limit).cloned().collect())
    }

    async fn locate(&self, partition: TopicPartition, offset: u64) -> Result<Seq, StoreError> {
        self.inspect(|state| {
            let at = state.log.seq_at(partition, offset);
            Seq(at.map_or(state.log.newest, |seq| seq - 1))
        })
    }

    async fn bounds(&self) -> Result<Vec<Bounds>, StoreError> {
        self.inspect(|state| state.log.bounds().collect())
    }

    async fn trim(&self, up_to: Seq) -> Result<usize, StoreError> {
        self.tend(|state| state.log.trim(up_to.0))
    }
}
