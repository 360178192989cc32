//! A consumer: what the group deals out to its member, read from where the inbox says.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use holdfast_contract::Topic;
use holdfast_storage::{Group, Inbox, Position, Record, StartOf, TopicPartition};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::broker::{Broker, Topics, away};
use super::fetcher::{Fetched, Fetcher};
use super::member::Member;
use super::{Lookout, lookout};
use crate::{Batch, BusError, Consumer, Span};

pub(super) struct KafkaConsumer {
    broker: Arc<Broker>,
    group: Group,
    topics: Vec<Topic>,
    inbox: Arc<dyn Inbox>,
    member: Member,
    /// The topics as they were last seen by anybody.
    known: watch::Receiver<Topics>,
    /// Looks at the topics now and then.
    lookout: Lookout,
    /// `None` until there is something to read, and after it broke.
    fetcher: Option<Fetcher>,
    at: FxHashMap<TopicPartition, Place>,
    /// Fetched, and not committed.
    pending: VecDeque<Arc<Record>>,
    /// How many of them the batch that was polled last has.
    given: usize,
    /// Whether `at` is what the group and the inbox say.
    fresh: bool,
    /// Reads what they say. Kept when a poll is dropped, so that polls that never wait long enough get on too.
    loading: Option<BoxFuture<'static, Result<Loaded, BusError>>>,
    generation: u64,
}

/// Where the consumer is in a partition.
struct Place {
    /// What the inbox says.
    stored: Option<Position>,
    /// Where it goes on.
    next: Position,
    /// Where fetching goes on.
    fetched: u64,
}

/// Per partition what the inbox says, and where that means to start.
type Loaded = FxHashMap<TopicPartition, (Option<Position>, Position)>;

async fn load(
    broker: Arc<Broker>,
    inbox: Arc<dyn Inbox>,
    group: Group,
    topics: Vec<Topic>,
    share: FxHashSet<TopicPartition>,
) -> Result<Loaded, BusError> {
    if share.is_empty() {
        return Ok(Loaded::default());
    }
    let partitions: Vec<_> = share.into_iter().collect();
    let states = broker.describe(&topics).await?;
    let stored: FxHashMap<_, _> = inbox.positions(group).await?.into_iter().collect();
    let bounds = broker.bounds(&partitions).await?;
    let starts = bounds.into_iter().map(|b| {
        let state = states.get(b.partition.topic);
        let incarnation = state.ok_or_else(|| away(format!("{} is missing", b.partition.topic)))?.incarnation;
        let stored = stored.get(&b.partition).copied();
        let next = match stored.map(|position| position.start_in(incarnation, b.start, b.end)) {
            Some(StartOf::Offset(next)) => next,
            Some(StartOf::Beginning) => {
                tracing::warn!(group, partition = %b.partition, "the stored position is of another log; starting at the beginning");
                b.start
            }
            None => b.start,
        };
        Ok((b.partition, (stored, Position { incarnation, next })))
    });
    starts.collect()
}

impl KafkaConsumer {
    pub(super) fn join(
        broker: Arc<Broker>,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Self, BusError> {
        Ok(Self {
            member: Member::join(broker.clone(), group, topics)?,
            known: broker.topics(),
            lookout: lookout(broker.clone(), topics.to_vec()),
            broker,
            group,
            topics: topics.to_vec(),
            inbox,
            fetcher: None,
            at: FxHashMap::default(),
            pending: VecDeque::new(),
            given: 0,
            fresh: false,
            loading: None,
            generation: 0,
        })
    }

    /// Looks at what has happened since the last time, without waiting.
    fn look(&mut self) {
        // It never ends.
        let _ = (&mut self.lookout).now_or_never();
        if self.member.share.has_changed().unwrap_or(false) {
            self.fresh = false;
            self.loading = None;
        }
        if self.known.has_changed().unwrap_or(false) {
            let replaced = {
                let known = self.known.borrow_and_update();
                self.at.iter().any(|(partition, place)| {
                    known
                        .get(partition.topic)
                        .is_some_and(|state| state.incarnation != place.next.incarnation)
                })
            };
            if replaced {
                self.discard();
            }
        }
    }

    /// Forgets everything that was fetched, and the client that fetched it.
    fn discard(&mut self) {
        self.fetcher = None;
        self.at.clear();
        self.pending.clear();
        self.given = 0;
        self.fresh = false;
        self.loading = None;
    }

    /// Finds out where to read.
    async fn refresh(&mut self) -> Result<(), BusError> {
        let loading = match &mut self.loading {
            Some(loading) => loading,
            None => {
                let share = self.member.share.borrow_and_update().partitions.clone();
                let (broker, inbox) = (self.broker.clone(), self.inbox.clone());
                self.loading.insert(Box::pin(load(broker, inbox, self.group, self.topics.clone(), share)))
            }
        };
        let loaded = loading.await;
        self.loading = None;
        let outcome = loaded.and_then(|loaded| self.move_to(loaded));
        if outcome.is_err() {
            // Which partitions the client reads is not known any more.
            self.discard();
        }
        outcome
    }

    /// Reads on at `loaded`. What was fetched from there on already is kept.
    fn move_to(&mut self, loaded: Loaded) -> Result<(), BusError> {
        let moved: Vec<TopicPartition> = self
            .at
            .iter()
            .filter(|(partition, place)| loaded.get(*partition).is_none_or(|(_, next)| *next != place.next))
            .map(|(partition, _)| *partition)
            .collect();
        if !moved.is_empty() {
            for partition in &moved {
                self.at.remove(partition);
            }
            self.pending.retain(|record| !moved.contains(&record.topic_partition()));
            self.given = 0;
            if let Some(fetcher) = &self.fetcher {
                fetcher.remove(&moved)?;
            }
        }
        let mut starts = Vec::new();
        for (&partition, &(stored, next)) in &loaded {
            match self.at.get_mut(&partition) {
                Some(place) => place.stored = stored,
                None => {
                    starts.push((partition, next.next));
                    self.at.insert(partition, Place { stored, next, fetched: next.next });
                }
            }
        }
        if !starts.is_empty() {
            let fetcher = match &self.fetcher {
                Some(fetcher) => fetcher,
                None => {
                    let role = format!("{}-reader", self.group);
                    let group = self.broker.group(self.group);
                    self.fetcher.insert(Fetcher::new(self.broker.clone(), &role, &group, false)?)
                }
            };
            fetcher.add(&starts)?;
        }
        self.member.reached(loaded.iter().map(|(partition, (_, next))| (*partition, next.next)));
        self.fresh = true;
        self.generation += 1;
        Ok(())
    }

    fn take(&mut self, fetched: Fetched) -> Result<(), BusError> {
        match fetched {
            Fetched::Record(scanned) => {
                let record = scanned.record;
                if let Some(place) = self.at.get_mut(&record.topic_partition())
                    && record.offset >= place.fetched
                {
                    place.fetched = record.offset + 1;
                    self.pending.push_back(Arc::new(record));
                }
                Ok(())
            }
            Fetched::End(_) => Ok(()),
            Fetched::Broken(error) => {
                self.discard();
                Err(away(error))
            }
        }
    }

    /// The first records that are pending; the same as last time, if those were not committed.
    fn batch(&mut self, max: usize) -> Option<Batch> {
        let count = if self.given > 0 { self.given } else { self.pending.len() }.min(max);
        if count == 0 {
            return None;
        }
        self.given = count;
        let records: Vec<_> = self.pending.iter().take(count).cloned().collect();
        let mut spans: Vec<Span> = Vec::new();
        for record in &records {
            let partition = record.topic_partition();
            let Some(place) = self.at.get(&partition) else { continue };
            let to = Position { next: record.offset + 1, ..place.next };
            match spans.iter_mut().find(|span| span.partition == partition) {
                Some(span) => span.to = to,
                None => spans.push(Span { partition, from: place.stored, to }),
            }
        }
        Some(Batch { records, spans, generation: self.generation })
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self, max: usize) -> Result<Batch, BusError> {
        let max = max.max(1);
        loop {
            self.look();
            if !self.fresh {
                self.refresh().await?;
                continue;
            }
            while self.given == 0 && self.pending.len() < max {
                match self.fetcher.as_ref().and_then(Fetcher::ready) {
                    Some(fetched) => self.take(fetched)?,
                    None => break,
                }
            }
            if let Some(batch) = self.batch(max) {
                return Ok(batch);
            }
            let next = async {
                match &self.fetcher {
                    Some(fetcher) => fetcher.next().await,
                    None => std::future::pending().await,
                }
            };
            let fetched = tokio::select! {
                fetched = next => Some(fetched),
                _ = self.member.share.changed() => {
                    self.fresh = false;
                    None
                }
                _ = self.known.changed() => {
                    // `look` is to see it.
                    self.known.mark_changed();
                    None
                }
                () = &mut self.lookout => None,
            };
            if let Some(fetched) = fetched {
                self.take(fetched)?;
            }
        }
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), BusError> {
        for span in &batch.spans {
            if let Some(place) = self.at.get_mut(&span.partition).filter(|place| place.stored == span.from) {
                place.stored = Some(span.to);
                place.next = span.to;
            }
        }
        self.pending.drain(..self.given);
        self.given = 0;
        self.member.reached(batch.spans.iter().map(|span| (span.partition, span.to.next)));
        Ok(())
    }

    fn reset(&mut self) {
        self.fresh = false;
        self.loading = None;
    }
}
