//! A broker and an outbox in memory that fail in every way that real ones may, for tests of relays.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{
    Claim, Incarnation, Outbox, OutboxId, Outgoing, Position, Sent, StoreError, TopicPartition, Unsent,
};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::{Ack, Found, Log, PublishError, Publisher, Session};

/// Decides what goes wrong; the same seed decides alike. (xorshift64*)
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n` (at least 1).
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0) % n.max(1)
    }

    /// True once in `n` times; never if `n` is 0.
    pub fn once_in(&mut self, n: usize) -> bool {
        n > 0 && self.below(n) == 0
    }
}

/// What goes wrong once in how many times; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The broker cannot be reached for a new producer.
    pub open: usize,
    /// A producer breaks; what it had is in the log or not.
    pub session: usize,
    /// Reading from or recording in the database fails, before or after it took effect.
    pub store: usize,
}

/// The records of a log.
pub type Logged = Vec<(OutboxId, Outgoing)>;

/// A broker in memory. Clones are the same broker.
#[derive(Clone)]
pub struct FakeBroker(Arc<Mutex<Broker>>, Arc<watch::Sender<u64>>);

struct Broker {
    incarnation: u64,
    partitions: u16,
    logs: FxHashMap<TopicPartition, Logged>,
    /// The logs of earlier lives.
    gone: Vec<FxHashMap<TopicPartition, Logged>>,
    dice: Dice,
    faults: Faults,
    /// Takes nothing and answers nothing.
    away: bool,
    room: usize,
}

impl FakeBroker {
    /// A broker with so many partitions of each topic, whose producers have room for `room` records.
    pub fn new(seed: u64, partitions: u16, room: usize) -> Self {
        let broker = Broker {
            incarnation: 1,
            partitions,
            logs: FxHashMap::default(),
            gone: Vec::new(),
            dice: Dice::new(seed),
            faults: Faults::default(),
            away: false,
            room,
        };
        Self(Arc::new(Mutex::new(broker)), Arc::default())
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Whether it is away.
    pub fn set_away(&self, away: bool) {
        self.0.lock().away = away;
        self.1.send_modify(|changes| *changes += 1);
    }

    /// Its logs are gone; it starts anew, empty.
    pub fn wipe(&self) {
        let mut broker = self.0.lock();
        broker.incarnation += 1;
        let logs = std::mem::take(&mut broker.logs);
        broker.gone.push(logs);
        self.1.send_modify(|changes| *changes += 1);
    }

    /// Its logs.
    pub fn logs(&self) -> FxHashMap<TopicPartition, Logged> {
        self.0.lock().logs.clone()
    }

    /// The logs before each time that it was wiped.
    pub fn gone(&self) -> Vec<FxHashMap<TopicPartition, Logged>> {
        self.0.lock().gone.clone()
    }
}

#[async_trait]
impl Publisher for FakeBroker {
    async fn open(&self, _outbox: Incarnation, topics: &[Topic]) -> Result<Box<dyn Session>, PublishError> {
        tokio::task::yield_now().await;
        let mut broker = self.0.lock();
        let unlucky = broker.faults.open;
        if broker.away || broker.dice.once_in(unlucky) {
            return Err(PublishError::Away("as planned".to_owned()));
        }
        Ok(Box::new(FakeSession {
            broker: self.clone(),
            changes: self.1.subscribe(),
            topics: topics.to_vec(),
            incarnation: broker.incarnation,
            queued: FxHashMap::default(),
            unanswered: FxHashMap::default(),
            broken: false,
        }))
    }
}

struct FakeSession {
    broker: FakeBroker,
    changes: watch::Receiver<u64>,
    topics: Vec<Topic>,
    incarnation: u64,
    /// Not in the log yet.
    queued: FxHashMap<TopicPartition, VecDeque<(u64, Unsent)>>,
    /// In the log, and not told yet.
    unanswered: FxHashMap<TopicPartition, VecDeque<Ack>>,
    broken: bool,
}

impl FakeSession {
    /// Some of what is queued gets into the logs, in the order of each partition.
    fn write(&mut self) {
        let mut broker = self.broker.0.lock();
        let Broker { dice, logs, away, .. } = &mut *broker;
        if *away {
            return;
        }
        for (&partition, queue) in &mut self.queued {
            let some = dice.below(queue.len() + 1);
            for (ticket, unsent) in queue.drain(..some) {
                let log = logs.entry(partition).or_default();
                let ack = Ack { ticket, offset: log.len() as u64 };
                self.unanswered.entry(partition).or_default().push_back(ack);
                log.push((unsent.id, unsent.record));
            }
        }
    }

    fn answer(&mut self, acks: &mut Vec<Ack>) {
        let mut broker = self.broker.0.lock();
        if !broker.away {
            for queue in self.unanswered.values_mut() {
                let some = broker.dice.below(queue.len() + 1);
                acks.extend(queue.drain(..some));
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.queued.values().all(VecDeque::is_empty) && self.unanswered.values().all(VecDeque::is_empty)
    }
}

#[async_trait]
impl Session for FakeSession {
    fn log(&self, topic: Topic) -> Option<Log> {
        let partitions = self.broker.0.lock().partitions;
        self.topics.contains(&topic).then_some(Log { incarnation: Incarnation(self.incarnation), partitions })
    }

    async fn find(&mut self, from: Vec<(TopicPartition, u64)>) -> Result<Vec<Found>, PublishError> {
        tokio::task::yield_now().await;
        let broker = self.broker.0.lock();
        if broker.away {
            return Err(PublishError::Away("as planned".to_owned()));
        }
        if broker.incarnation != self.incarnation {
            return Err(PublishError::Replaced);
        }
        let mut found = Vec::new();
        for (partition, start) in from {
            let log = broker.logs.get(&partition).into_iter().flatten();
            found.extend(
                (0..).zip(log).filter(|(offset, _)| *offset >= start).map(|(offset, (id, _))| Found {
                    id: *id,
                    partition,
                    offset,
                }),
            );
        }
        Ok(found)
    }

    fn publish(&mut self, ticket: u64, partition: Partition, unsent: &Unsent) -> Result<bool, PublishError> {
        if self.broken {
            return Err(PublishError::Failed("as planned".to_owned()));
        }
        let queued: usize = self.queued.values().map(VecDeque::len).sum();
        if queued >= self.broker.0.lock().room {
            return Ok(false);
        }
        let at = TopicPartition { topic: unsent.record.topic, partition };
        self.queued.entry(at).or_default().push_back((ticket, unsent.clone()));
        Ok(true)
    }

    async fn acks(&mut self, acks: &mut Vec<Ack>) -> Result<(), PublishError> {
        let before = acks.len();
        loop {
            let (unlucky, replaced) = {
                let mut broker = self.broker.0.lock();
                let Broker { dice, faults, .. } = &mut *broker;
                // A producer takes a while to notice that the logs are others.
                let noticed = dice.once_in(3);
                (dice.once_in(faults.session), broker.incarnation != self.incarnation && noticed)
            };
            self.write();
            self.answer(acks);
            if replaced {
                return Err(PublishError::Replaced);
            }
            if self.broken || (unlucky && !self.is_idle()) {
                self.broken = true;
                return Err(PublishError::Failed("as planned".to_owned()));
            }
            if acks.len() > before {
                return Ok(());
            }
            let same = self.broker.0.lock().incarnation == self.incarnation;
            if (self.is_idle() && same) || self.broker.0.lock().away {
                // `publish` cannot be called meanwhile.
                let _ = self.changes.changed().await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn close(self: Box<Self>) {
        tokio::task::yield_now().await;
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        // What was on the wire may still arrive.
        self.write();
    }
}

/// An outbox in memory. Clones are the same database.
#[derive(Clone)]
pub struct MemoryOutbox {
    inner: Arc<Mutex<Inner>>,
    committed: Arc<watch::Sender<u64>>,
    topics: &'static [Topic],
    shards: u16,
    incarnation: Incarnation,
}

struct Inner {
    /// With the shard, and whether it was recorded as sent.
    records: Vec<(u16, Outgoing, bool)>,
    reached: FxHashMap<(u16, TopicPartition), Position>,
    /// By shard: who has it, counted up, and whether anybody does.
    owners: FxHashMap<u16, (u64, bool)>,
    dice: Dice,
    faults: Faults,
}

impl MemoryOutbox {
    /// An empty one.
    pub fn new(seed: u64, topics: &'static [Topic], shards: u16) -> Self {
        let inner = Inner {
            records: Vec::new(),
            reached: FxHashMap::default(),
            owners: FxHashMap::default(),
            dice: Dice::new(seed),
            faults: Faults::default(),
        };
        let incarnation = Incarnation(seed);
        Self { inner: Arc::new(Mutex::new(inner)), committed: Arc::default(), topics, shards, incarnation }
    }

    /// Commits records.
    pub fn append(&self, records: Vec<Outgoing>) {
        let made = records.len() as u64;
        self.inner.lock().records.extend(
            records.into_iter().map(|record| (partition_of(&record.key, self.shards).0, record, false)),
        );
        self.committed.send_modify(|count| *count += made);
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().faults = faults;
    }

    /// How many records are not recorded as sent.
    pub fn unsent(&self) -> usize {
        self.inner.lock().records.iter().filter(|(_, _, sent)| !sent).count()
    }

    /// Which records are recorded as sent.
    pub fn sent(&self) -> Vec<OutboxId> {
        let inner = self.inner.lock();
        (1..).zip(&inner.records).filter(|(_, (_, _, sent))| *sent).map(|(number, _)| id(number)).collect()
    }

    /// Ends the claim of whoever has the shard.
    pub fn lapse(&self, shard: u16) {
        self.inner.lock().owners.entry(shard).or_default().1 = false;
    }
}

fn id(number: u64) -> OutboxId {
    OutboxId { scope: 0, number }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    fn topics(&self) -> &[Topic] {
        self.topics
    }

    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        tokio::task::yield_now().await;
        let owner = {
            let mut inner = self.inner.lock();
            inner.fault()?;
            let (owner, claimed) = inner.owners.entry(shard).or_default();
            if *claimed {
                return Ok(None);
            }
            *owner += 1;
            *claimed = true;
            *owner
        };
        Ok(Some(Box::new(MemoryClaim { outbox: self.clone(), shard, owner, given: 0 })))
    }
}

impl Inner {
    fn fault(&mut self) -> Result<(), StoreError> {
        let unlucky = self.faults.store;
        if self.dice.once_in(unlucky) {
            return Err(StoreError::Unavailable("as planned".to_owned()));
        }
        Ok(())
    }
}

struct MemoryClaim {
    outbox: MemoryOutbox,
    shard: u16,
    owner: u64,
    given: usize,
}

impl MemoryClaim {
    fn owned(&self, inner: &Inner) -> bool {
        inner.owners.get(&self.shard) == Some(&(self.owner, true))
    }
}

impl Drop for MemoryClaim {
    fn drop(&mut self) {
        let mut inner = self.outbox.inner.lock();
        if self.owned(&inner) {
            inner.owners.insert(self.shard, (self.owner, false));
        }
    }
}

#[async_trait]
impl Claim for MemoryClaim {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        tokio::task::yield_now().await;
        let mut inner = self.outbox.inner.lock();
        inner.fault()?;
        let mut page = Vec::new();
        while page.len() < limit
            && let Some((shard, record, sent)) = inner.records.get(self.given)
        {
            self.given += 1;
            if *shard == self.shard && !sent {
                page.push(Unsent { id: id(self.given as u64), record: record.clone() });
            }
        }
        Ok(page)
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        {
            let mut inner = self.outbox.inner.lock();
            inner.fault()?;
            if !self.owned(&inner) {
                return Err(StoreError::ClaimLost(self.shard));
            }
            for sent in records {
                let number = usize::try_from(sent.id.number).unwrap_or(0);
                let Some((_, _, recorded)) = inner.records.get_mut(number.wrapping_sub(1)) else { continue };
                if std::mem::replace(recorded, true) {
                    continue;
                }
                let position = Position { incarnation: sent.incarnation, next: sent.offset + 1 };
                inner.reached.insert((self.shard, sent.partition), position);
            }
        }
        tokio::task::yield_now().await;
        // After it took effect.
        self.outbox.inner.lock().fault()
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        let mut inner = self.outbox.inner.lock();
        inner.fault()?;
        let mine = inner.reached.iter().filter(|((shard, _), _)| *shard == self.shard);
        Ok(mine.map(|((_, partition), position)| (*partition, *position)).collect())
    }

    fn rewind(&mut self) {
        self.given = 0;
    }
}
