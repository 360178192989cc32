//! Reading along on Kafka.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Incarnation, OutboxId, Record, TopicPartition};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::broker::{Broker, Topics, away};
use super::fetcher::{Fetched, Fetcher};
use super::record::Scanned;
use super::{Lookout, lookout};
use crate::{BusError, Tail, TailFrom, TailPosition};

/// Records of each partition that are read before the start, to recognise what is a repetition of them.
const WARM_UP: u64 = 200;
/// Keys that are remembered at least.
const REMEMBERED: usize = 8_192;

pub(super) struct KafkaTail {
    broker: Arc<Broker>,
    topics: Vec<Topic>,
    /// The logs that are read.
    logs: Topics,
    known: watch::Receiver<Topics>,
    lookout: Lookout,
    /// `None` until the first call of `next`, and after it broke.
    fetcher: Option<Fetcher>,
    position: TailPosition,
    repeats: Repeats,
}

impl KafkaTail {
    pub(super) async fn start(
        broker: Arc<Broker>,
        topics: &[Topic],
        from: TailFrom<'_>,
    ) -> Result<Self, BusError> {
        let (logs, bounds) = look_up(&broker, topics).await?;
        let end = end_of(&logs, topics, &bounds);
        let position = match from {
            TailFrom::Now => end,
            TailFrom::Token(token) => TailPosition::parse(token, &end, &bounds)?,
        };
        Ok(Self {
            known: broker.topics(),
            lookout: lookout(broker.clone(), topics.to_vec()),
            broker,
            topics: topics.to_vec(),
            logs,
            fetcher: None,
            position,
            repeats: Repeats::default(),
        })
    }

    /// Begins to read at the position, if the logs still have it.
    async fn open(&mut self) -> Result<(), BusError> {
        let (logs, bounds) = look_up(&self.broker, &self.topics).await?;
        let end = end_of(&logs, &self.topics, &bounds);
        TailPosition::parse(&self.position.to_string(), &end, &bounds)?;
        let start = |partition| bounds.iter().find(|b| b.partition == partition).map_or(0, |b| b.start);
        let starts: Vec<_> = self
            .position
            .offsets()
            .iter()
            .map(|&(partition, next)| (partition, next.saturating_sub(WARM_UP).max(start(partition))))
            .collect();
        let config = &self.broker.config;
        let group = format!("{}{}", config.group_prefix, config.client_id);
        let fetcher = Fetcher::new(self.broker.clone(), "tail", &group, false)?;
        fetcher.add(&starts)?;
        self.repeats = Repeats::default();
        self.fetcher = Some(fetcher);
        Ok(())
    }

    /// Whether one of the logs is another one by now.
    fn replaced(&mut self) -> bool {
        // It never ends.
        let _ = (&mut self.lookout).now_or_never();
        if !self.known.has_changed().unwrap_or(false) {
            return false;
        }
        let known = self.known.borrow_and_update();
        let is_other = |topic: &Topic| match (known.get(*topic), self.logs.get(*topic)) {
            (Some(now), Some(then)) => now.incarnation != then.incarnation,
            _ => false,
        };
        self.topics.iter().any(is_other)
    }

    fn take(&mut self, fetched: Fetched, records: &mut Vec<Arc<Record>>) -> Result<(), BusError> {
        match fetched {
            Fetched::Record(scanned) => {
                let first = self.repeats.is_first(&scanned);
                if self.position.step(&scanned.record) && first {
                    records.push(Arc::new(scanned.record));
                }
                Ok(())
            }
            Fetched::End(_) => Ok(()),
            Fetched::Broken(error) => {
                self.fetcher = None;
                Err(away(error))
            }
        }
    }
}

async fn look_up(broker: &Arc<Broker>, topics: &[Topic]) -> Result<(Topics, Vec<Bounds>), BusError> {
    let logs = broker.describe(topics).await?;
    if let Some(missing) = topics.iter().find(|topic| logs.get(**topic).is_none()) {
        return Err(away(format!("{missing} is missing")));
    }
    let bounds = broker.bounds(&logs.partitions(topics)).await?;
    Ok((logs, bounds))
}

fn end_of(logs: &Topics, topics: &[Topic], bounds: &[Bounds]) -> TailPosition {
    let mut topics = topics.to_vec();
    topics.sort_unstable();
    let incarnations: Vec<Incarnation> =
        topics.iter().filter_map(|&topic| Some(logs.get(topic)?.incarnation)).collect();
    TailPosition::at_end(&incarnations, bounds)
}

#[async_trait]
impl Tail for KafkaTail {
    async fn next(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        let max = max.max(1);
        loop {
            if self.replaced() {
                self.fetcher = None;
            }
            if self.fetcher.is_none() {
                self.open().await?;
            }
            let mut records = Vec::new();
            // A long stretch of repetitions must not keep the thread to itself.
            for _ in 0..max {
                match self.fetcher.as_ref().and_then(Fetcher::ready) {
                    Some(fetched) => match self.take(fetched, &mut records) {
                        // What came before the error is given first; the next call runs into it again.
                        Err(_) if !records.is_empty() => break,
                        taken => taken?,
                    },
                    None => break,
                }
            }
            if !records.is_empty() {
                return Ok(records);
            }
            let Some(fetcher) = &self.fetcher else { continue };
            let fetched = tokio::select! {
                fetched = fetcher.next() => Some(fetched),
                _ = self.known.changed() => {
                    // `replaced` is to see it.
                    self.known.mark_changed();
                    None
                }
                () = &mut self.lookout => None,
            };
            if let Some(fetched) = fetched {
                self.take(fetched, &mut records)?;
            }
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    fn position(&self) -> &TailPosition {
        &self.position
    }
}

/// Recognises records that a relay published twice. Of one key and topic, an outbox's later records have greater ids, so a
/// record that is not greater than its predecessors was there before.
#[derive(Default)]
struct Repeats {
    /// The keys of late, and those before them: old ones are forgotten without keeping a list of them.
    recent: FxHashMap<Source, OutboxId>,
    older: FxHashMap<Source, OutboxId>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Source {
    partition: TopicPartition,
    outbox: Incarnation,
    key: Bytes,
}

impl Repeats {
    fn is_first(&mut self, scanned: &Scanned) -> bool {
        let Some(stamp) = scanned.stamp else { return true };
        let source = Source {
            partition: scanned.record.topic_partition(),
            outbox: stamp.outbox,
            key: scanned.record.key.clone(),
        };
        let greatest = self.recent.get(&source).or_else(|| self.older.get(&source)).copied();
        if greatest.is_some_and(|greatest| stamp.id <= greatest) {
            return false;
        }
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        // Its own bytes: the record's would keep the payload in memory.
        let key = Bytes::copy_from_slice(&source.key);
        self.recent.insert(Source { key, ..source }, stamp.id);
        true
    }
}
