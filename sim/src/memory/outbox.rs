//! The journal as an outbox: how far each shard is published, where the broker has the records, who publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::Keeps;
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{
    CLAIM_SECONDS, Claim, Incarnation, Outbox, OutboxId, Outgoing, Places, Position, Record, Sent, Seq,
    StoreError, TopicPartition, Unsent,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::disk::{Memory, State};
use super::log::Log;

/// Records of one key are in one shard, as those of one partition would be.
fn shard_of(record: &Record, shards: usize) -> usize {
    usize::from(partition_of(&record.key, shards as u16).0)
}

#[derive(Default)]
struct Shard {
    /// Every record of the shard up to here is published.
    up_to: u64,
    /// These after it are too.
    ahead: BTreeSet<u64>,
    reached: BTreeMap<TopicPartition, Position>,
    /// Counts the owners.
    fence: u64,
    owner: Option<Owner>,
}

#[derive(Clone, Copy)]
struct Owner {
    handle: u64,
    until: Instant,
}

impl Shard {
    fn contains(&self, seq: u64) -> bool {
        seq <= self.up_to || self.ahead.contains(&seq)
    }

    /// The place to look from never goes back within one log.
    fn reach(&mut self, sent: &Sent) {
        let before = self.reached.get(&sent.partition).filter(|p| p.incarnation == sent.incarnation);
        let next = before.map_or(0, |p| p.next).max(sent.offset + 1);
        self.reached.insert(sent.partition, Position { incarnation: sent.incarnation, next });
    }
}

/// What is known to be at the broker.
pub(super) struct Published {
    shards: Vec<Shard>,
    /// Of every record that is; kept for ever, as timelines are.
    sent: BTreeMap<u64, Sent>,
    /// Which life of the broker's log each partition was last seen in.
    lives: BTreeMap<TopicPartition, Incarnation>,
}

impl Published {
    pub(super) fn new(shards: u16) -> Self {
        let shards = (0..shards).map(|_| Shard::default()).collect();
        Self { shards, sent: BTreeMap::new(), lives: BTreeMap::new() }
    }

    pub(super) fn place(&self, seq: u64) -> Option<&Sent> {
        self.sent.get(&seq)
    }

    /// Every record up to this one is published.
    pub(super) fn up_to(&self, log: &Log) -> u64 {
        let shards = self.shards.len();
        let first_unsent = |(number, shard): (usize, &Shard)| {
            let mut rest = log.after(shard.up_to);
            rest.find(|r| shard_of(r, shards) == number && !shard.ahead.contains(&r.seq.0)).map(|r| r.seq.0)
        };
        let first = self.shards.iter().enumerate().filter_map(first_unsent).min();
        first.map_or(log.newest(), |seq| seq - 1)
    }

    fn record(&mut self, log: &Log, number: usize, records: &[Sent]) {
        let shards = self.shards.len();
        let shard = &mut self.shards[number];
        for sent in records {
            let seq = sent.id.number;
            // What was forgotten is not there to be published.
            if shard.contains(seq) || log.get(seq).is_none() {
                continue;
            }
            shard.ahead.insert(seq);
            shard.reach(sent);
            self.sent.insert(seq, *sent);
            self.lives.insert(sent.partition, sent.incarnation);
        }
        // Past what was published before its turn, what is another shard's, and what was forgotten.
        while shard.up_to < log.newest() {
            let next = shard.up_to + 1;
            let mine = log.get(next).is_some_and(|record| shard_of(record, shards) == number);
            if mine && !shard.ahead.remove(&next) {
                break;
            }
            shard.up_to = next;
        }
    }
}

fn claim_seconds() -> Duration {
    Duration::from_secs(CLAIM_SECONDS)
}

/// The greatest common divisor of two numbers, each at least 1.
fn common_divisor(one: u16, other: u16) -> u16 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

#[async_trait]
impl<S: Send + 'static> Outbox for Memory<S> {
    fn topics(&self) -> &[Topic] {
        self.log_topics()
    }

    fn incarnation(&self) -> Incarnation {
        self.log_incarnation()
    }

    fn shards(&self) -> u16 {
        self.options().shards.max(1)
    }

    fn goes_to(&self, shard: u16, partition: Partition, partitions: u16) -> bool {
        // Both are remainders of the same hash.
        let common = common_divisor(self.options().shards.max(1), partitions.max(1));
        shard % common == partition.0 % common
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.log_counted()
    }

    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        let now = Instant::now();
        let claimed = self.tend(|state| {
            let of = state.published.shards.get_mut(usize::from(shard))?;
            if of.owner.is_some_and(|owner| owner.until > now && self.works(owner.handle)) {
                return None;
            }
            of.fence += 1;
            of.owner = Some(Owner { handle: self.number(), until: now + claim_seconds() });
            Some((of.fence, of.up_to))
        })?;
        Ok(claimed.map(|(fence, given)| {
            Box::new(MemoryClaim { memory: self.clone(), shard, fence, given }) as Box<dyn Claim>
        }))
    }
}

#[async_trait]
impl<S: Send + 'static> Places for Memory<S> {
    async fn at_broker(&self, partition: TopicPartition, offset: u64) -> Result<Option<u64>, StoreError> {
        self.inspect(|state| {
            let Published { sent, lives, .. } = &state.published;
            let sent = sent.get(&state.log.seq_at(partition, offset)?)?;
            let there = sent.partition == partition && lives.get(&partition) == Some(&sent.incarnation);
            there.then_some(sent.offset)
        })
    }
}

/// For the retention of a journal that is published.
impl<S: Send + 'static> Keeps for Memory<S> {
    fn done_with(&self) -> Seq {
        self.look(|view| view.published())
    }
}

struct MemoryClaim<S: Send> {
    memory: Memory<S>,
    shard: u16,
    fence: u64,
    /// The last record that was given.
    given: u64,
}

impl<S: Send> MemoryClaim<S> {
    /// Makes the claim last longer, and does something with it.
    fn using<T>(&self, then: impl FnOnce(&mut State<S>, usize) -> T) -> Result<T, StoreError> {
        let number = usize::from(self.shard);
        self.memory.tend(|state| {
            let shard = &mut state.published.shards[number];
            match &mut shard.owner {
                Some(owner) if shard.fence == self.fence => owner.until = Instant::now() + claim_seconds(),
                _ => return Err(StoreError::ClaimLost(self.shard)),
            }
            Ok(then(state, number))
        })?
    }
}

#[async_trait]
impl<S: Send + 'static> Claim for MemoryClaim<S> {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        let after = self.given;
        let unsent: Vec<Unsent> = self.using(|state, number| {
            let Published { shards, .. } = &state.published;
            let shard = &shards[number];
            let records = state.log.after(after);
            let mine = records.filter(|r| shard_of(r, shards.len()) == number && !shard.contains(r.seq.0));
            mine.take(limit).map(|record| give(record)).collect()
        })?;
        if let Some(last) = unsent.last() {
            self.given = last.id.number;
        }
        Ok(unsent)
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        self.using(|state, number| state.published.record(&state.log, number, records))
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.using(|state, number| {
            let reached = &state.published.shards[number].reached;
            reached.iter().map(|(partition, position)| (*partition, *position)).collect()
        })
    }

    fn rewind(&mut self) {
        self.given = self.memory.look(|view| view.shard_up_to(usize::from(self.shard)));
    }
}

fn give(record: &Record) -> Unsent {
    let outgoing = Outgoing {
        topic: record.topic,
        key: record.key.clone(),
        payload: record.payload.clone(),
        at: record.at,
        traceparent: record.traceparent.clone(),
    };
    Unsent { id: OutboxId { scope: 0, number: record.seq.0 }, record: outgoing }
}

impl Published {
    pub(super) fn shard_up_to(&self, number: usize) -> u64 {
        self.shards.get(number).map_or(0, |shard| shard.up_to)
    }
}

impl<S: Send> Drop for MemoryClaim<S> {
    fn drop(&mut self) {
        // Of a handle that is closed it fails: a process that is gone gives nothing back.
        let _ = self.memory.tend(|state| {
            let shard = &mut state.published.shards[usize::from(self.shard)];
            if shard.fence == self.fence {
                shard.owner = None;
            }
        });
    }
}
