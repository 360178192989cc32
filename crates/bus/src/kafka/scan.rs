//! Reading a stretch of the log: from a place to where the log ended when one began.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::Topic;
use holdfast_storage::TopicPartition;
use rustc_hash::FxHashMap;

use super::broker::{Broker, away};
use super::fetcher::{Fetched, Fetcher};
use super::record::Scanned;
use crate::BusError;

/// Records given at once.
const PAGE: usize = 1_000;
/// How long the broker may take for the next records before it counts as away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives what some partitions held when it was made.
pub struct Scan {
    broker: Arc<Broker>,
    /// One after the other: the library says of an end only the partition's number.
    topics: VecDeque<Stretch>,
    fetcher: Option<Fetcher>,
}

/// What is still to be read of one topic.
struct Stretch {
    topic: Topic,
    /// By partition: the next offset and the end.
    left: FxHashMap<u16, (u64, u64)>,
}

impl Scan {
    pub(super) async fn new(broker: Arc<Broker>, from: Vec<(TopicPartition, u64)>) -> Result<Self, BusError> {
        let partitions: Vec<_> = from.iter().map(|(partition, _)| *partition).collect();
        let bounds = broker.bounds(&partitions).await?;
        let mut topics: Vec<Stretch> = Vec::new();
        for (b, (_, from)) in bounds.into_iter().zip(from) {
            let next = from.max(b.start);
            if next >= b.end {
                continue;
            }
            let TopicPartition { topic, partition } = b.partition;
            let found = topics.iter().position(|stretch| stretch.topic == topic);
            let at = found.unwrap_or_else(|| {
                topics.push(Stretch { topic, left: FxHashMap::default() });
                topics.len() - 1
            });
            topics[at].left.insert(partition.0, (next, b.end));
        }
        Ok(Self { broker, topics: topics.into(), fetcher: None })
    }

    /// The next records; those of one partition in order. `None` when everything was given. Cancel safe.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if the broker is away, or no longer has the records; asking again goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Vec<Scanned>>, BusError> {
        loop {
            let Some(stretch) = self.topics.front_mut() else { return Ok(None) };
            if stretch.left.is_empty() {
                self.fetcher = None;
                self.topics.pop_front();
                continue;
            }
            let fetcher = match &self.fetcher {
                Some(fetcher) => fetcher,
                None => {
                    let group =
                        format!("{}{}", self.broker.config.group_prefix, self.broker.config.client_id);
                    let fetcher = Fetcher::new(self.broker.clone(), "scan", &group, true)?;
                    let place = |p: u16| TopicPartition {
                        topic: stretch.topic,
                        partition: holdfast_contract::Partition(p),
                    };
                    let starts: Vec<_> =
                        stretch.left.iter().map(|(&p, &(next, _))| (place(p), next)).collect();
                    fetcher.add(&starts)?;
                    self.fetcher.insert(fetcher)
                }
            };
            let first = tokio::time::timeout(PATIENCE, fetcher.next()).await;
            let Ok(first) = first else {
                self.fetcher = None;
                return Err(away("no records came"));
            };
            let mut records = Vec::new();
            let mut fetched = Some(first);
            while let Some(next) = fetched {
                match next {
                    Fetched::Record(scanned) => stretch.take(*scanned, &mut records),
                    Fetched::End(partition) => {
                        stretch.left.remove(&partition);
                    }
                    Fetched::Broken(error) => {
                        self.fetcher = None;
                        // What came before the error is given first; the next call runs into it again.
                        if records.is_empty() {
                            return Err(away(error));
                        }
                        break;
                    }
                }
                fetched = if records.len() < PAGE { fetcher.ready() } else { None };
            }
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
    }
}

impl Stretch {
    fn take(&mut self, scanned: Scanned, records: &mut Vec<Scanned>) {
        let partition = scanned.record.partition.0;
        let Some((next, end)) = self.left.get_mut(&partition) else { return };
        let offset = scanned.record.offset;
        *next = offset + 1;
        let done = *next >= *end;
        if offset < *end {
            records.push(scanned);
        }
        if done {
            self.left.remove(&partition);
        }
    }
}
