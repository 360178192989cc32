//! A producer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::relay::{Ack, Found, Log, PublishError, Session};
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Incarnation, Record, Seq, TopicPartition, Unsent};

use super::{PARTITIONS, Shared};
use crate::schedule::Gate;

/// Records that a producer has room for.
const ROOM: usize = 64;

pub(super) struct SimSession {
    shared: Arc<Shared>,
    gate: Gate,
    outbox: Incarnation,
    topics: Vec<Topic>,
    life: u64,
    /// Not in the log yet.
    queued: BTreeMap<TopicPartition, VecDeque<(u64, Unsent)>>,
    /// In the log, and not told yet.
    untold: BTreeMap<TopicPartition, VecDeque<Ack>>,
    broken: bool,
}

impl SimSession {
    pub(super) fn open(shared: Arc<Shared>, gate: Gate, outbox: Incarnation, topics: &[Topic]) -> Self {
        let life = shared.state.lock().life;
        let (queued, untold) = (BTreeMap::new(), BTreeMap::new());
        Self { shared, gate, outbox, topics: topics.to_vec(), life, queued, untold, broken: false }
    }

    /// Some of what is queued gets into the logs, in the order of each partition.
    fn write(&mut self) {
        if self.shared.is_away() {
            return;
        }
        let mut wrote = false;
        {
            let mut state = self.shared.state.lock();
            if state.life != self.life {
                return;
            }
            for (&partition, queue) in &mut self.queued {
                let some = self
                    .gate
                    .chance(|dice| if dice.once_in(4) { dice.index(queue.len() + 1) } else { queue.len() });
                for (ticket, unsent) in queue.drain(..some) {
                    let offset = state.append(partition, record(&unsent), Some((self.outbox, unsent.id)));
                    self.untold.entry(partition).or_default().push_back(Ack { ticket, offset });
                    wrote = true;
                }
            }
        }
        if wrote {
            self.shared.tell();
        }
    }

    fn tell(&mut self, acks: &mut Vec<Ack>) {
        if !self.shared.is_away() {
            for queue in self.untold.values_mut() {
                let some = self
                    .gate
                    .chance(|dice| if dice.once_in(4) { dice.index(queue.len() + 1) } else { queue.len() });
                acks.extend(queue.drain(..some));
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.queued.values().all(VecDeque::is_empty) && self.untold.values().all(VecDeque::is_empty)
    }

    fn is_replaced(&self) -> bool {
        self.shared.state.lock().life != self.life
    }
}

fn record(unsent: &Unsent) -> Record {
    let outgoing = unsent.record.clone();
    Record {
        seq: Seq(0),
        topic: outgoing.topic,
        partition: Partition(0),
        offset: 0,
        key: outgoing.key,
        payload: outgoing.payload,
        at: outgoing.at,
        traceparent: outgoing.traceparent,
    }
}

#[async_trait]
impl Session for SimSession {
    fn log(&self, topic: Topic) -> Option<Log> {
        let log = Log { incarnation: Incarnation(self.life), partitions: PARTITIONS };
        self.topics.contains(&topic).then_some(log)
    }

    async fn find(&mut self, from: Vec<(TopicPartition, u64)>) -> Result<Vec<Found>, PublishError> {
        self.gate.pass().await;
        if self.shared.is_away() {
            return Err(PublishError::Away("as planned".to_owned()));
        }
        if self.is_replaced() {
            return Err(PublishError::Replaced);
        }
        let state = self.shared.state.lock();
        let mut found = Vec::new();
        for (partition, start) in from {
            let rest = (0..).zip(state.log(partition)).skip(usize::try_from(start).unwrap_or(usize::MAX));
            found.extend(rest.filter_map(|(offset, entry)| match entry.from {
                Some((outbox, id)) if outbox == self.outbox => Some(Found { id, partition, offset }),
                _ => None,
            }));
        }
        Ok(found)
    }

    fn publish(&mut self, ticket: u64, partition: Partition, unsent: &Unsent) -> Result<bool, PublishError> {
        if self.broken {
            return Err(PublishError::Failed("as planned".to_owned()));
        }
        if self.queued.values().map(VecDeque::len).sum::<usize>() >= ROOM {
            return Ok(false);
        }
        let at = TopicPartition { topic: unsent.record.topic, partition };
        self.queued.entry(at).or_default().push_back((ticket, unsent.clone()));
        Ok(true)
    }

    async fn acks(&mut self, acks: &mut Vec<Ack>) -> Result<(), PublishError> {
        let before = acks.len();
        loop {
            let mut changed = self.shared.changed.subscribe();
            if !self.is_idle() || self.is_replaced() {
                self.gate.pass().await;
                // As in `SimConsumer::poll`.
                changed.mark_unchanged();
                self.write();
                self.tell(acks);
                let (breaks, notices) = self.gate.chance(|dice| (dice.once_in(150), !dice.once_in(3)));
                if self.is_replaced() && notices {
                    return Err(PublishError::Replaced);
                }
                self.broken |= breaks;
                if self.broken {
                    return Err(PublishError::Failed("as planned".to_owned()));
                }
                if acks.len() > before {
                    return Ok(());
                }
                if !self.shared.is_away() {
                    continue;
                }
            }
            // `publish` cannot be called meanwhile; the relay drops this future when it has more.
            let _ = changed.changed().await;
        }
    }

    async fn close(mut self: Box<Self>) {
        self.gate.pass().await;
    }
}

impl Drop for SimSession {
    fn drop(&mut self) {
        // What was on the wire may still arrive.
        self.write();
    }
}
