//! A member of a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::{Batch, BusError, Consumer, Span};
use holdfast_contract::Topic;
use holdfast_storage::{Group, Inbox, Position, Record, StartOf, TopicPartition};

use super::{Shared, State, partitions};
use crate::schedule::Gate;

/// After so long with nothing to read the broker is told everything again, in milliseconds.
const TELL_AGAIN: u64 = 20_000;

pub(super) struct SimConsumer {
    shared: Arc<Shared>,
    gate: Gate,
    group: Group,
    topics: Vec<Topic>,
    inbox: Arc<dyn Inbox>,
    member: u64,
    share: Option<Share>,
    /// Counts what was read of the inbox.
    reads: u64,
    polled: Option<Batch>,
    /// Positions that the broker is to be told; lost if the member dies before.
    untold: Vec<(TopicPartition, Position)>,
}

/// What the member was assigned.
struct Share {
    /// Of the group, when it was assigned.
    generation: u64,
    life: u64,
    at: BTreeMap<TopicPartition, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    /// What the inbox says.
    stored: Option<Position>,
    next: Position,
}

impl SimConsumer {
    pub(super) fn join(
        shared: Arc<Shared>,
        gate: Gate,
        group: Group,
        topics: &[Topic],
        inbox: Arc<dyn Inbox>,
    ) -> Self {
        let member = {
            let mut state = shared.state.lock();
            state.last_member += 1;
            let member = state.last_member;
            let members = state.groups.entry(group).or_default();
            members.topics.insert(member, topics.to_vec());
            members.generation += 1;
            member
        };
        shared.tell();
        let (topics, untold) = (topics.to_vec(), Vec::new());
        Self { shared, gate, group, topics, inbox, member, share: None, reads: 0, polled: None, untold }
    }

    /// Whether what the member knows of its partitions is old.
    fn is_moved(&self) -> bool {
        let state = self.shared.state.lock();
        let generation = state.groups.get(self.group).map(|members| members.generation);
        self.share.as_ref().is_none_or(|s| Some(s.generation) != generation || s.life != state.life)
    }

    async fn load(&mut self) -> Result<(), BusError> {
        let (generation, life, assigned) = {
            let state = self.shared.state.lock();
            let members = state.groups.get(self.group);
            let mine = |partition: &TopicPartition| {
                members.and_then(|members| members.owner(*partition)) == Some(self.member)
            };
            let assigned: Vec<_> = partitions(&self.topics).filter(mine).collect();
            (members.map_or(0, |members| members.generation), state.life, assigned)
        };
        let positions: BTreeMap<_, _> = self.inbox.positions(self.group).await?.into_iter().collect();
        let state = self.shared.state.lock();
        let place = |partition: TopicPartition| {
            let stored = positions.get(&partition).copied();
            let end = state.log(partition).len() as u64;
            let start = stored.map_or(StartOf::Beginning, |p| p.start_in(state.incarnation(), 0, end));
            let next = match start {
                StartOf::Offset(next) => next,
                StartOf::Beginning => 0,
            };
            (partition, Place { stored, next: Position { incarnation: state.incarnation(), next } })
        };
        let at: BTreeMap<_, _> = assigned.into_iter().map(place).collect();
        self.untold.extend(at.iter().map(|(partition, place)| (*partition, place.next)));
        self.share = Some(Share { generation, life, at });
        self.reads += 1;
        Ok(())
    }

    /// What it knows of the partitions that are its own; of others a broker takes nothing.
    fn tell(&mut self) {
        let mut state = self.shared.state.lock();
        let State { groups, told, away_until, .. } = &mut *state;
        if *away_until > self.shared.schedule.now() {
            return;
        }
        let members = groups.get(self.group);
        for (partition, at) in self.untold.drain(..) {
            if members.and_then(|members| members.owner(partition)) == Some(self.member) {
                told.insert((self.group, partition), at);
            }
        }
    }

    /// Some of what there is, of some of the partitions: a broker gives them in any mixture. `Err` says until when there is
    /// nothing but what is kept back.
    fn take(&self, share: &Share, max: usize) -> Result<Batch, Option<u64>> {
        let now = self.shared.schedule.now();
        let state = self.shared.state.lock();
        if state.away_until > now {
            return Err(Some(state.away_until));
        }
        let mut kept_back = None;
        let mut ready: Vec<(TopicPartition, Place, &[super::Entry])> = Vec::new();
        for (&partition, &place) in &share.at {
            let from = usize::try_from(place.next.next).unwrap_or(usize::MAX);
            let rest = state.log(partition).get(from..).unwrap_or_default();
            let delayed = state.delayed.get(&partition.topic).copied().unwrap_or(0);
            if rest.is_empty() {
                continue;
            }
            if delayed > now {
                kept_back = Some(kept_back.map_or(delayed, |until: u64| until.min(delayed)));
            } else {
                ready.push((partition, place, rest));
            }
        }
        if ready.is_empty() {
            return Err(kept_back);
        }
        let mut records: Vec<Arc<Record>> = Vec::new();
        let mut spans = Vec::new();
        let first = self.gate.chance(|dice| dice.index(ready.len()));
        ready.rotate_left(first);
        for (partition, place, rest) in ready {
            let room = max - records.len();
            let some = self
                .gate
                .chance(|dice| if dice.once_in(3) { dice.index(rest.len() + 1) } else { rest.len() });
            // Never nothing at all.
            let some = some.max(usize::from(records.is_empty())).min(room);
            let taken = rest.iter().take(some).map(|entry| entry.record.clone());
            records.extend(taken);
            if some > 0 {
                let to = Position { next: place.next.next + some as u64, ..place.next };
                spans.push(Span { partition, from: place.stored, to });
            }
        }
        Ok(Batch { records, spans, generation: self.reads })
    }
}

#[async_trait]
impl Consumer for SimConsumer {
    async fn poll(&mut self, max: usize) -> Result<Batch, BusError> {
        loop {
            self.gate.pass().await;
            // Not before: what changed by now is seen, and how much of it came while this task was on its way to the gate
            // depends on the runtime.
            let mut changed = self.shared.changed.subscribe();
            self.tell();
            if self.is_moved() {
                self.polled = None;
                self.load().await?;
            }
            if let Some(batch) = &self.polled {
                return Ok(batch.clone());
            }
            let Some(share) = &self.share else { continue };
            let wait = match self.take(share, max.max(1)) {
                Ok(batch) => {
                    self.polled = Some(batch.clone());
                    return Ok(batch);
                }
                Err(until) => until,
            };
            let now = self.shared.schedule.now();
            let rest = wait.map_or(TELL_AGAIN, |until| until.saturating_sub(now));
            let pause = Duration::from_millis(rest.min(TELL_AGAIN));
            tokio::select! {
                biased;
                _ = changed.changed() => {}
                () = tokio::time::sleep(pause) => {
                    let places = share.at.iter().map(|(partition, place)| (*partition, place.next));
                    self.untold.extend(places);
                }
            }
        }
    }

    async fn commit(&mut self, batch: &Batch) -> Result<(), BusError> {
        self.polled = None;
        self.untold.extend(batch.spans.iter().map(|span| (span.partition, span.to)));
        if let Some(share) = &mut self.share {
            for span in &batch.spans {
                if let Some(place) = share.at.get_mut(&span.partition) {
                    *place = Place { stored: Some(span.to), next: span.to };
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.polled = None;
        self.share = None;
    }
}

impl Drop for SimConsumer {
    fn drop(&mut self) {
        if let Some(members) = self.shared.state.lock().groups.get_mut(self.group) {
            members.topics.remove(&self.member);
            members.generation += 1;
        }
        self.shared.tell();
    }
}
