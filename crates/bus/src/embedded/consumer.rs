//! A member of a group on the embedded bus.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Group, Inbox, Journal, Position, Seq, StartOf, TopicPartition};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::groups::{Groups, MemberId};
use super::reader::{Scan, grown};
use super::{bounds_of, scan_start};
use crate::{Batch, BusError, Consumer, Span};

pub(super) struct EmbeddedConsumer {
    groups: Arc<Groups>,
    group: Group,
    member: MemberId,
    topics: Vec<Topic>,
    journals: Vec<Arc<dyn Journal>>,
    inbox: Arc<dyn Inbox>,
    generation: watch::Receiver<u64>,
    /// `None` until the positions were read, and again after a rebalance.
    share: Option<Share>,
    /// How often they were read.
    loads: u64,
}

/// The member's partitions and where it is in them.
struct Share {
    at: FxHashMap<TopicPartition, Place>,
    scans: Vec<Scan>,
    /// Where the scans go on once the batch that was polled last is committed.
    polled: Vec<Seq>,
    /// Counts shares. A share that was read anew is another one even if it has the same partitions: between a rebalance and
    /// the compare-and-set that stops it, a stale worker may still have moved them on.
    generation: u64,
}

struct Place {
    /// What the inbox says.
    stored: Option<Position>,
    /// Where the member goes on.
    next: Position,
}

impl EmbeddedConsumer {
    pub(super) fn join(
        groups: Arc<Groups>,
        group: Group,
        topics: &[Topic],
        journals: Vec<Arc<dyn Journal>>,
        inbox: Arc<dyn Inbox>,
    ) -> Self {
        let generation = groups.generation();
        let member = groups.join(group, topics);
        Self {
            groups,
            group,
            member,
            topics: topics.to_vec(),
            journals,
            inbox,
            generation,
            share: None,
            loads: 0,
        }
    }

    async fn load(&self) -> Result<Share, BusError> {
        // The ends are read after this, so whatever they leave out is found by scanning from here.
        let newest: Vec<Seq> = self.journals.iter().map(|j| *j.committed().borrow()).collect();
        let bounds = bounds_of(&self.journals, &self.topics).await?;
        let all: Vec<_> = bounds.iter().map(|b| b.partition).collect();
        let assigned = self.groups.assigned(self.group, self.member, &all);
        let stored: FxHashMap<_, _> = self.inbox.positions(self.group).await?.into_iter().collect();
        let mut at = FxHashMap::default();
        for b in bounds.iter().filter(|b| assigned.contains(&b.partition)) {
            let Some(journal) = self.journals.iter().find(|j| j.topics().contains(&b.partition.topic)) else {
                continue;
            };
            let incarnation = journal.incarnation();
            let stored = stored.get(&b.partition).copied();
            let next = match stored.map(|p| p.start_in(incarnation, b.start, b.end)) {
                Some(StartOf::Offset(next)) => next,
                Some(StartOf::Beginning) | None => b.start,
            };
            at.insert(b.partition, Place { stored, next: Position { incarnation, next } });
        }
        let mut scans = Vec::with_capacity(self.journals.len());
        for (journal, newest) in self.journals.iter().zip(newest) {
            let start = scan_start(journal.as_ref(), newest, &bounds, |tp| at.get(&tp).map(|p| p.next.next));
            scans.push(Scan::new(journal.clone(), start.await?));
        }
        Ok(Share { at, scans, polled: Vec::new(), generation: self.loads + 1 })
    }
}

impl Share {
    async fn poll(&mut self, max: usize) -> Result<Option<Batch>, BusError> {
        let mut records = Vec::new();
        let mut polled = Vec::with_capacity(self.scans.len());
        for scan in &mut self.scans {
            let at = &self.at;
            let wanted = |r: &holdfast_storage::Record| {
                at.get(&r.topic_partition()).is_some_and(|place| r.offset >= place.next.next)
            };
            let (found, after) = scan.find(max, wanted).await?;
            if found.is_empty() {
                scan.after = after;
            }
            records.extend(found);
            polled.push(after);
        }
        if records.is_empty() {
            return Ok(None);
        }
        self.polled = polled;
        let mut spans: Vec<Span> = Vec::new();
        for record in &records {
            let partition = record.topic_partition();
            let Some(place) = self.at.get(&partition) else { continue };
            let to = Position { next: record.offset + 1, ..place.next };
            match spans.iter_mut().find(|s| s.partition == partition) {
                Some(span) => span.to = to,
                None => spans.push(Span { partition, from: place.stored, to }),
            }
        }
        Ok(Some(Batch { records, spans, generation: self.generation }))
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn poll(&mut self, max: usize) -> Result<Batch, BusError> {
        loop {
            if self.generation.has_changed().unwrap_or(false) {
                self.generation.mark_unchanged();
                self.share = None;
            }
            let share = match &mut self.share {
                Some(share) => share,
                None => {
                    let loaded = self.load().await?;
                    self.loads = loaded.generation;
                    self.share.insert(loaded)
                }
            };
            if let Some(batch) = share.poll(max.max(1)).await? {
                return Ok(batch);
            }
            tokio::select! {
                biased;
                grown = grown(&mut share.scans) => grown?,
                _ = self.generation.changed() => self.share = None,
            }
        }
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), BusError> {
        let Some(share) = &mut self.share else { return Ok(()) };
        for span in &batch.spans {
            if let Some(place) = share.at.get_mut(&span.partition) {
                *place = Place { stored: Some(span.to), next: span.to };
            }
        }
        for (scan, after) in share.scans.iter_mut().zip(share.polled.drain(..)) {
            scan.after = after;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.share = None;
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.groups.leave(self.group, self.member);
    }
}
