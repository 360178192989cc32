//! Questions to the cluster: which topics there are, what they hold, where groups have come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Bounds, Group, Incarnation, StoreError, TopicPartition};
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, watch};

use super::config::KafkaConfig;
use super::context::Telling;
use super::topic_ids::{Described, describe};
use crate::BusError;

/// How long a question may take before the broker counts as away.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How soon a question is asked again that may have met a leader on its way.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// How long creating topics may take.
const CREATION: Duration = Duration::from_secs(15);
/// Questions at once; more wait for their turn.
const QUESTIONS: usize = 4;

/// A topic as the cluster has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// This life of the topic's partitions' logs.
    pub incarnation: Incarnation,
    /// How many partitions it has.
    pub partitions: u16,
}

/// Topics as the cluster has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics(BTreeMap<Topic, TopicState>);

impl Topics {
    /// A topic; `None` if it is missing.
    pub fn get(&self, topic: Topic) -> Option<TopicState> {
        self.0.get(&topic).copied()
    }

    /// Every partition of those of `topics` that are there.
    pub fn partitions(&self, topics: &[Topic]) -> Vec<TopicPartition> {
        let each = self.0.iter().filter(|(topic, _)| topics.contains(topic));
        each.flat_map(|(&topic, state)| {
            (0..state.partitions).map(move |p| TopicPartition { topic, partition: Partition(p) })
        })
        .collect()
    }
}

pub(super) struct Broker {
    pub(super) config: KafkaConfig,
    /// Asks about the cluster; consumes nothing.
    client: Mutex<Option<Arc<BaseConsumer<Telling>>>>,
    /// Ask about groups, one for each.
    groups: Mutex<FxHashMap<Group, Arc<BaseConsumer<Telling>>>>,
    questions: Arc<Semaphore>,
    topics: watch::Sender<Topics>,
    reachable: watch::Sender<bool>,
}

impl Broker {
    pub(super) fn new(config: KafkaConfig) -> Self {
        Self {
            config,
            client: Mutex::default(),
            groups: Mutex::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            topics: watch::Sender::default(),
            reachable: watch::Sender::new(false),
        }
    }

    pub(super) fn name(&self, topic: Topic) -> String {
        format!("{}{topic}", self.config.topic_prefix)
    }

    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        name.strip_prefix(&self.config.topic_prefix)?.parse().ok()
    }

    pub(super) fn group(&self, group: Group) -> String {
        format!("{}{group}", self.config.group_prefix)
    }

    pub(super) fn topics(&self) -> watch::Receiver<Topics> {
        self.topics.subscribe()
    }

    pub(super) fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    /// Asks on a thread that may block, and notes whether there was an answer.
    async fn ask<T: Send + 'static>(
        &self,
        client: Arc<BaseConsumer<Telling>>,
        question: impl FnOnce(&BaseConsumer<Telling>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, BusError> {
        // Held by the question itself, which goes on if the one who asked does not wait for it.
        let turn = self.questions.clone().acquire_owned().await.map_err(away)?;
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // Errors that were reported since the last time; nobody else takes them away.
            while client.poll(Duration::ZERO).is_some() {}
            question(&client)
        });
        let answer = asked.await.map_err(away)?;
        let reached = answer.as_ref().err().is_none_or(is_an_answer);
        let changed = self.reachable.send_if_modified(|was| std::mem::replace(was, reached) != reached);
        match &answer {
            _ if !changed => {}
            Err(error) if !reached => {
                tracing::warn!(brokers = self.config.brokers, %error, "Kafka does not answer");
            }
            _ => tracing::info!(brokers = self.config.brokers, "Kafka answers"),
        }
        answer.map_err(away)
    }

    fn client(&self) -> Result<Arc<BaseConsumer<Telling>>, BusError> {
        let mut client = self.client.lock();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made: BaseConsumer<Telling> = self
            .config
            .client("info")
            .set("isolation.level", "read_committed")
            .create_with_context(Telling)
            .map_err(away)?;
        Ok(client.insert(Arc::new(made)).clone())
    }

    /// Looks topics up at the cluster.
    pub(super) async fn describe(&self, topics: &[Topic]) -> Result<Topics, BusError> {
        if topics.is_empty() {
            return Ok(Topics::default());
        }
        let names: Vec<String> = topics.iter().map(|&topic| self.name(topic)).collect();
        let described =
            self.ask(self.client()?, move |client| describe(client.client(), &names, PATIENCE)).await?;
        let mut found = Topics::default();
        for Described { name, id, partitions } in described {
            if let Some(topic) = self.topic(&name) {
                let state = TopicState {
                    incarnation: incarnation(&name, id),
                    partitions: u16::try_from(partitions).unwrap_or(u16::MAX),
                };
                found.0.insert(topic, state);
            }
        }
        let replaced = self.note(topics, &found);
        if replaced {
            // What the client remembers of leaders is of the topics that are gone.
            *self.client.lock() = None;
        }
        Ok(found)
    }

    /// Lets those who watch know; says whether a topic is another one than before.
    fn note(&self, asked: &[Topic], found: &Topics) -> bool {
        let mut replaced = false;
        self.topics.send_if_modified(|known| {
            let before = known.clone();
            known.0.retain(|topic, _| !asked.contains(topic));
            known.0.extend(&found.0);
            replaced = before.0.iter().any(|(topic, state)| {
                known.get(*topic).is_some_and(|now| now.incarnation != state.incarnation)
            });
            *known != before
        });
        if replaced {
            tracing::warn!("topics were made anew: their logs are read from the beginning");
        }
        replaced
    }

    /// Creates those of all topics that are missing.
    pub(super) async fn ensure_topics(&self) -> Result<(), BusError> {
        let there = self.describe(Topic::ALL).await?;
        let missing: Vec<String> =
            Topic::ALL.iter().filter(|topic| there.get(**topic).is_none()).map(|&t| self.name(t)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let admin: AdminClient<Telling> =
            self.config.client("admin").create_with_context(Telling).map_err(away)?;
        let (partitions, replicas) = (i32::from(self.config.partitions), i32::from(self.config.replication));
        let new: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(replicas)))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(CREATION)).operation_timeout(Some(CREATION));
        for created in admin.create_topics(&new, &options).await.map_err(away)? {
            match created {
                // Another instance was faster.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(away(format!("topic {name} cannot be made: {code}"))),
            }
        }
        tracing::info!(topics = missing.len(), partitions, "topics made");
        // They are shown a moment after they were made.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let there = self.describe(Topic::ALL).await?;
            let all = Topic::ALL.iter().all(|topic| there.get(*topic).is_some());
            if all || tokio::time::Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(SECOND_LOOK).await;
        }
    }

    /// What partitions hold.
    pub(super) async fn bounds(&self, partitions: &[TopicPartition]) -> Result<Vec<Bounds>, BusError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.bounds_now(partitions).await {
                // A partition that was made just now, or whose leader moved, is found on the second look.
                Err(_) if tokio::time::Instant::now() < deadline => tokio::time::sleep(SECOND_LOOK).await,
                bounds => return bounds,
            }
        }
    }

    async fn bounds_now(&self, partitions: &[TopicPartition]) -> Result<Vec<Bounds>, BusError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = |offset| self.list(partitions.iter().map(|&partition| (partition, offset)));
        let (first, last) = (list(Offset::Beginning)?, list(Offset::End)?);
        let (starts, ends) = self
            .ask(self.client()?, move |client| {
                Ok((client.offsets_for_times(first, PATIENCE)?, client.offsets_for_times(last, PATIENCE)?))
            })
            .await?;
        let (starts, ends) = (self.offsets(&starts)?, self.offsets(&ends)?);
        partitions
            .iter()
            .map(|&partition| {
                let (start, end) = (starts.get(&partition), ends.get(&partition));
                let (Some(&start), Some(&end)) = (start, end) else {
                    return Err(away(format!("{partition} has no leader")));
                };
                Ok(Bounds { partition, start, end: end.max(start) })
            })
            .collect()
    }

    /// Where a group has come to, as it told the broker.
    pub(super) async fn committed(
        &self,
        group: Group,
        partitions: &[TopicPartition],
    ) -> Result<FxHashMap<TopicPartition, u64>, BusError> {
        if partitions.is_empty() {
            return Ok(FxHashMap::default());
        }
        let list = self.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        let client = self.group_client(group)?;
        let committed = self.ask(client, move |client| client.committed_offsets(list, PATIENCE)).await?;
        self.offsets(&committed)
    }

    fn group_client(&self, group: Group) -> Result<Arc<BaseConsumer<Telling>>, BusError> {
        let mut groups = self.groups.lock();
        if let Some(client) = groups.get(group) {
            return Ok(client.clone());
        }
        // It never subscribes, so it is no member.
        let made: BaseConsumer<Telling> = self
            .config
            .client("info")
            .set("group.id", self.group(group))
            .create_with_context(Telling)
            .map_err(away)?;
        let made = Arc::new(made);
        groups.insert(group, made.clone());
        Ok(made)
    }

    /// Our partitions as the client library wants them.
    pub(super) fn list(
        &self,
        places: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<TopicPartitionList, BusError> {
        let mut list = TopicPartitionList::new();
        for (TopicPartition { topic, partition }, offset) in places {
            list.add_partition_offset(&self.name(topic), i32::from(partition.0), offset).map_err(away)?;
        }
        Ok(list)
    }

    /// The partitions of a list that are ours.
    pub(super) fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        list.elements()
            .iter()
            .filter_map(|element| {
                let partition = Partition(u16::try_from(element.partition()).ok()?);
                Some(TopicPartition { topic: self.topic(element.topic())?, partition })
            })
            .collect()
    }

    /// The offsets of a list; what has none is left out.
    fn offsets(&self, list: &TopicPartitionList) -> Result<FxHashMap<TopicPartition, u64>, BusError> {
        let mut offsets = FxHashMap::default();
        for element in list.elements() {
            element.error().map_err(away)?;
            let Some(topic) = self.topic(element.topic()) else { continue };
            let Ok(partition) = u16::try_from(element.partition()) else { continue };
            if let Offset::Offset(offset) = element.offset() {
                let place = TopicPartition { topic, partition: Partition(partition) };
                offsets.insert(place, u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(offsets)
    }
}

/// Whether a broker has said so. The library's own errors, that nobody can be reached for instance, are negative.
fn is_an_answer(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| code as i32 > 0)
}

/// The cluster, or an answer of it, is not to be had.
pub(super) fn away(error: impl std::fmt::Display) -> BusError {
    BusError::Unavailable(StoreError::Unavailable(format!("Kafka: {error}")))
}

/// Names a life of a topic's logs. Brokers too old for topic ids cannot tell lives of one name apart.
fn incarnation(name: &str, id: u128) -> Incarnation {
    // FNV-1a; it only has to tell different ids apart.
    let bytes = if id == 0 { name.as_bytes().to_vec() } else { id.to_le_bytes().to_vec() };
    Incarnation(
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_refuses_has_answered() {
        assert!(is_an_answer(&KafkaError::MetadataFetch(RDKafkaErrorCode::NotLeaderForPartition)));
        for away in [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::OperationTimedOut] {
            assert!(!is_an_answer(&KafkaError::MetadataFetch(away)), "{away}");
        }
        assert!(!is_an_answer(&KafkaError::Canceled));
    }
}
