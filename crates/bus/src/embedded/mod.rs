//! The bus of one machine: a topic is the journal of the service that publishes it, and nothing is written twice.

mod consumer;
mod groups;
mod reader;
mod tail;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Group, Inbox, Incarnation, Journal, Record, Seq, TopicPartition};

use self::consumer::EmbeddedConsumer;
use self::groups::Groups;
use self::tail::EmbeddedTail;
use crate::{Bus, BusError, Consumer, Tail, TailFrom};

/// Records read from a journal at once while looking for those of some partitions.
const SCAN: usize = 512;

/// The bus of one machine. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedBus {
    journals: Arc<[Arc<dyn Journal>]>,
    groups: Arc<Groups>,
}

impl EmbeddedBus {
    /// A bus over these journals; no two may hold the same topic.
    pub fn new(journals: Vec<Arc<dyn Journal>>) -> Self {
        Self { journals: journals.into(), groups: Arc::default() }
    }

    fn journal_of(&self, topic: Topic) -> Option<&Arc<dyn Journal>> {
        self.journals.iter().find(|j| j.topics().contains(&topic))
    }

    /// The journals that hold any of `topics`.
    fn journals_of(&self, topics: &[Topic]) -> Vec<Arc<dyn Journal>> {
        self.journals.iter().filter(|j| j.topics().iter().any(|t| topics.contains(t))).cloned().collect()
    }

    fn incarnations(journals: &[Arc<dyn Journal>]) -> Vec<Incarnation> {
        journals.iter().map(|j| j.incarnation()).collect()
    }
}

async fn bounds_of(journals: &[Arc<dyn Journal>], topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
    let mut all = Vec::new();
    for journal in journals {
        all.extend(journal.bounds().await?.into_iter().filter(|b| topics.contains(&b.partition.topic)));
    }
    Ok(all)
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn subscribe(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        let journals = self.journals_of(topics);
        Ok(Box::new(EmbeddedConsumer::join(self.groups.clone(), group, topics, journals, inbox)))
    }

    async fn tail(&self, topics: &[Topic], from: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError> {
        Ok(Box::new(EmbeddedTail::start(self.journals_of(topics), topics, from).await?))
    }

    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError> {
        Ok(topics.iter().filter_map(|&topic| Some((topic, self.journal_of(topic)?.incarnation()))).collect())
    }

    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
        bounds_of(&self.journals_of(topics), topics).await
    }

    async fn browse(
        &self,
        partition: TopicPartition,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        let Some(journal) = self.journal_of(partition.topic) else { return Ok(Vec::new()) };
        let mut after = journal.locate(partition, offset).await?;
        let mut found = Vec::new();
        while found.len() < limit {
            let records = journal.read(after, SCAN).await?;
            let Some(last) = records.last() else { break };
            after = last.seq;
            let before = found.len();
            found.extend(
                records
                    .into_iter()
                    .filter(|r| r.topic_partition() == partition && r.offset >= offset)
                    .take(limit - found.len()),
            );
            if found.len() == before {
                // The next one of a quiet topic may be far on.
                let next = found.last().map_or(offset, |record: &Arc<Record>| record.offset + 1);
                after = after.max(journal.locate(partition, next).await?);
            }
        }
        Ok(found)
    }
}

/// The place in `journal` to scan from so that nothing from `next` on is missed: as far on as possible.
async fn scan_start(
    journal: &dyn Journal,
    newest: Seq,
    bounds: &[Bounds],
    next: impl Fn(TopicPartition) -> Option<u64>,
) -> Result<Seq, BusError> {
    let mut start = newest;
    for b in bounds.iter().filter(|b| journal.topics().contains(&b.partition.topic)) {
        let Some(next) = next(b.partition) else { continue };
        if next < b.end {
            start = start.min(journal.locate(b.partition, next).await?);
        }
    }
    Ok(start)
}
