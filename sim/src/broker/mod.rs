//! A broker in memory that does whatever a real one may: it is away, it loses its logs, it hands partitions from one
//! member to another while a batch is being worked on, and it takes a while to say that it has something.

mod consumer;
mod session;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::relay::{PublishError, Publisher, Session};
use holdfast_bus::{Bus, BusError, Consumer, Tail, TailFrom};
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{
    Bounds, Group, Inbox, Incarnation, OutboxId, Parked, ParkedId, Position, Record, Seq, StoreError,
    TopicPartition,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use self::consumer::SimConsumer;
use self::session::SimSession;
use self::tail::SimTail;
use crate::dice::Dice;
use crate::schedule::{Gate, Schedule};

/// Partitions of each topic.
pub(crate) const PARTITIONS: u16 = 3;

/// A broker. Clones are the same one.
#[derive(Clone)]
pub(crate) struct SimBroker {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Changes with everything that somebody may wait for.
    changed: watch::Sender<u64>,
    schedule: Schedule,
}

struct State {
    /// Which life of the logs.
    life: u64,
    logs: BTreeMap<TopicPartition, Vec<Entry>>,
    /// Until then it cannot be reached, in milliseconds since the beginning.
    away_until: u64,
    /// Until when each topic's messages are kept back.
    delayed: BTreeMap<Topic, u64>,
    groups: BTreeMap<Group, Members>,
    last_member: u64,
    /// What members have told of their positions, a little after their effects.
    told: BTreeMap<(Group, TopicPartition), Position>,
}

/// A record, and which outbox it came from.
#[derive(Clone)]
struct Entry {
    record: Arc<Record>,
    from: Option<(Incarnation, OutboxId)>,
}

#[derive(Default)]
struct Members {
    topics: BTreeMap<u64, Vec<Topic>>,
    /// Who has what turns with it.
    shift: usize,
    generation: u64,
}

impl Members {
    fn owner(&self, partition: TopicPartition) -> Option<u64> {
        let sharing: Vec<u64> = self
            .topics
            .iter()
            .filter(|(_, topics)| topics.contains(&partition.topic))
            .map(|(member, _)| *member)
            .collect();
        sharing.get((usize::from(partition.partition.0) + self.shift) % sharing.len().max(1)).copied()
    }
}

impl SimBroker {
    /// An empty broker.
    pub(crate) fn new(schedule: Schedule) -> Self {
        let state = State {
            life: 1,
            logs: BTreeMap::new(),
            away_until: 0,
            delayed: BTreeMap::new(),
            groups: BTreeMap::new(),
            last_member: 0,
            told: BTreeMap::new(),
        };
        let shared = Shared { state: Mutex::new(state), changed: watch::Sender::new(0), schedule };
        Self { shared: Arc::new(shared) }
    }

    /// The broker as one task of a process sees it.
    pub(crate) fn seen_by(&self, gate: Gate) -> SimBus {
        SimBus { shared: self.shared.clone(), gate }
    }

    /// It cannot be reached until then (milliseconds since the beginning).
    pub(crate) fn away_until(&self, until: u64) {
        self.change(|state| state.away_until = state.away_until.max(until));
    }

    /// A topic's messages are kept back until then.
    pub(crate) fn delay(&self, topic: Topic, until: u64) {
        self.change(|state| {
            let delayed = state.delayed.entry(topic).or_default();
            *delayed = until.max(*delayed);
        });
    }

    /// Everything is gone, and it starts anew.
    pub(crate) fn wipe(&self) {
        self.change(|state| {
            state.life += 1;
            state.logs.clear();
            state.told.clear();
        });
    }

    /// The partitions of a group change hands.
    pub(crate) fn rebalance(&self, group: Group) {
        self.change(|state| {
            let members = state.groups.entry(group).or_default();
            members.shift += 1;
            members.generation += 1;
        });
    }

    /// Nothing is kept from anybody any more.
    pub(crate) fn heal(&self) {
        self.change(|state| {
            state.away_until = 0;
            state.delayed.clear();
        });
    }

    /// A message that some other program sent, wherever it pleased.
    pub(crate) fn send(&self, partition: TopicPartition, key: Bytes, payload: Bytes, like: &Record) {
        self.change(|state| {
            let record = Record { key, payload, ..like.clone() };
            state.append(partition, record, None);
        });
    }

    /// The record at a place of this life of the log.
    pub(crate) fn at(
        &self,
        partition: TopicPartition,
        life: Incarnation,
        offset: u64,
    ) -> Option<Arc<Record>> {
        let state = self.shared.state.lock();
        let log = (state.incarnation() == life).then(|| state.logs.get(&partition)).flatten()?;
        log.get(usize::try_from(offset).ok()?).map(|entry| entry.record.clone())
    }

    /// Records of these topics, oldest first in each partition.
    pub(crate) fn records(&self, topics: &[Topic]) -> Vec<Arc<Record>> {
        let state = self.shared.state.lock();
        let logs = state.logs.iter().filter(|(partition, _)| topics.contains(&partition.topic));
        logs.flat_map(|(_, log)| log.iter().map(|entry| entry.record.clone())).collect()
    }

    /// The ends of these topics' logs.
    pub(crate) fn bounds(&self, topics: &[Topic]) -> Vec<Bounds> {
        self.shared.state.lock().bounds(topics)
    }

    /// Whether the records of each key and outbox came in the order they were made in. One may come again later.
    ///
    /// # Errors
    /// Says which did not.
    pub(crate) fn in_order(&self) -> Result<(), String> {
        let state = self.shared.state.lock();
        for (partition, log) in &state.logs {
            let mut newest: BTreeMap<(u64, &[u8]), Vec<OutboxId>> = BTreeMap::new();
            for Entry { record, from } in log {
                let Some((outbox, id)) = from else { continue };
                let seen = newest.entry((outbox.0, &record.key[..])).or_default();
                if seen.last().is_some_and(|last| last > id) && !seen.contains(id) {
                    return Err(format!(
                        "{partition}/{}: {id} came after {}",
                        record.offset,
                        seen[seen.len() - 1]
                    ));
                }
                seen.push(*id);
            }
        }
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock());
        self.shared.tell();
    }
}

impl Shared {
    fn tell(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    fn is_away(&self) -> bool {
        self.state.lock().away_until > self.schedule.now()
    }

    fn unavailable() -> BusError {
        BusError::Unavailable(StoreError::Unavailable("the broker is away".to_owned()))
    }

    fn present(&self) -> Result<(), BusError> {
        if self.is_away() { Err(Self::unavailable()) } else { Ok(()) }
    }
}

impl State {
    fn incarnation(&self) -> Incarnation {
        Incarnation(self.life)
    }

    fn log(&self, partition: TopicPartition) -> &[Entry] {
        self.logs.get(&partition).map_or(&[], Vec::as_slice)
    }

    fn append(
        &mut self,
        partition: TopicPartition,
        record: Record,
        from: Option<(Incarnation, OutboxId)>,
    ) -> u64 {
        let log = self.logs.entry(partition).or_default();
        let offset = log.len() as u64;
        let TopicPartition { topic, partition } = partition;
        let record = Arc::new(Record { seq: Seq(0), topic, partition, offset, ..record });
        log.push(Entry { record, from });
        offset
    }

    fn bounds(&self, topics: &[Topic]) -> Vec<Bounds> {
        partitions(topics)
            .map(|partition| Bounds { partition, start: 0, end: self.log(partition).len() as u64 })
            .collect()
    }
}

fn partitions(topics: &[Topic]) -> impl Iterator<Item = TopicPartition> {
    topics
        .iter()
        .flat_map(|&topic| (0..PARTITIONS).map(move |p| TopicPartition { topic, partition: Partition(p) }))
}

/// The broker as one task of a process sees it.
#[derive(Clone)]
pub(crate) struct SimBus {
    shared: Arc<Shared>,
    gate: Gate,
}

#[async_trait]
impl Bus for SimBus {
    async fn subscribe(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        Ok(Box::new(SimConsumer::join(self.shared.clone(), self.gate.clone(), group, topics, inbox)))
    }

    async fn tail(&self, topics: &[Topic], from: TailFrom<'_>) -> Result<Box<dyn Tail>, BusError> {
        self.gate.pass().await;
        self.shared.present()?;
        Ok(Box::new(SimTail::start(self.shared.clone(), self.gate.clone(), topics, from)?))
    }

    async fn incarnations(&self, topics: &[Topic]) -> Result<Vec<(Topic, Incarnation)>, BusError> {
        self.gate.pass().await;
        self.shared.present()?;
        let incarnation = self.shared.state.lock().incarnation();
        Ok(topics.iter().map(|topic| (*topic, incarnation)).collect())
    }

    async fn bounds(&self, topics: &[Topic]) -> Result<Vec<Bounds>, BusError> {
        self.gate.pass().await;
        self.shared.present()?;
        Ok(self.shared.state.lock().bounds(topics))
    }

    async fn browse(
        &self,
        partition: TopicPartition,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, BusError> {
        self.gate.pass().await;
        self.shared.present()?;
        let state = self.shared.state.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = state.log(partition).get(from..).unwrap_or_default();
        Ok(rest.iter().take(limit).map(|entry| entry.record.clone()).collect())
    }
}

#[async_trait]
impl Publisher for SimBus {
    async fn open(&self, outbox: Incarnation, topics: &[Topic]) -> Result<Box<dyn Session>, PublishError> {
        self.gate.pass().await;
        if self.shared.is_away() || self.gate.chance(|dice: &mut Dice| dice.once_in(30)) {
            return Err(PublishError::Away("as planned".to_owned()));
        }
        Ok(Box::new(SimSession::open(self.shared.clone(), self.gate.child(), outbox, topics)))
    }
}

/// Positions as the broker knows them, for those who are not the group.
#[async_trait]
impl Inbox for SimBus {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.gate.pass().await;
        if self.shared.is_away() {
            return Err(StoreError::Unavailable("the broker is away".to_owned()));
        }
        let state = self.shared.state.lock();
        let told = state.told.iter().filter(|((of, _), _)| *of == group);
        Ok(told.map(|((_, partition), position)| (*partition, *position)).collect())
    }

    async fn parked(&self, _: Group, _: Option<ParkedId>, _: usize) -> Result<Vec<Parked>, StoreError> {
        Ok(Vec::new())
    }
}
