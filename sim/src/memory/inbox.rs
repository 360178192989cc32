//! Positions and parked messages.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_storage::{
    Advance, Group, Inbox, ParkCause, Parked, ParkedFilter, ParkedId, Position, Record, Seq, StoreError,
    ToPark, TopicPartition,
};

use super::disk::Memory;

/// What later messages are parked behind.
type OrderKey = (Group, Topic, Bytes);

#[derive(Default)]
pub(super) struct Positions {
    positions: BTreeMap<(Group, TopicPartition), Position>,
    parked: BTreeMap<(Group, ParkedId), Parked>,
    groups: BTreeMap<ParkedId, Group>,
    orders: BTreeMap<OrderKey, BTreeSet<ParkedId>>,
    /// Ids are never used twice.
    last: i64,
}

/// Why an inbox's part of a commit is void.
pub(super) enum Void {
    Store(StoreError),
    /// A message to be removed is no longer parked.
    Gone,
}

fn order_key(group: Group, record: &Record, order: Option<&Bytes>) -> Option<OrderKey> {
    order.map(|order| (group, record.topic, order.clone()))
}

impl Positions {
    /// Whether a commit may do this: first the advances, then what is removed, then what is parked.
    pub(super) fn check(
        &self,
        advances: &[Advance],
        unpark: &[ParkedId],
        park: &[ToPark],
    ) -> Result<(), Void> {
        let mut moved: BTreeMap<(Group, TopicPartition), Position> = BTreeMap::new();
        for &Advance { group, partition, from, to } in advances {
            let key = (group, partition);
            if moved.get(&key).or_else(|| self.positions.get(&key)).copied() != from {
                return Err(Void::Store(StoreError::StaleWorker { group, partition }));
            }
            moved.insert(key, to);
        }
        let mut removed = BTreeSet::new();
        if unpark.iter().any(|id| !self.groups.contains_key(id) || !removed.insert(*id)) {
            return Err(Void::Gone);
        }
        let mut fresh: BTreeSet<OrderKey> = BTreeSet::new();
        for ToPark { group, record, order, cause, .. } in park {
            let key = order_key(group, record, order.as_ref());
            if *cause == ParkCause::Behind {
                let stays = |key: &OrderKey| {
                    let before = self.orders.get(key).into_iter().flatten();
                    fresh.contains(key) || before.into_iter().any(|id| !removed.contains(id))
                };
                if !key.as_ref().is_some_and(stays) {
                    let partition = record.topic_partition();
                    return Err(Void::Store(StoreError::NothingBefore { group, partition }));
                }
            }
            fresh.extend(key);
        }
        Ok(())
    }

    /// Does what was checked, and counts failed replays. Those of messages that are gone are passed over.
    pub(super) fn apply(
        &mut self,
        advances: &[Advance],
        unpark: &[ParkedId],
        attempted: &[ParkedId],
        park: Vec<ToPark>,
    ) {
        for advance in advances {
            self.positions.insert((advance.group, advance.partition), advance.to);
        }
        for id in unpark {
            self.remove(*id);
        }
        for id in attempted {
            let key = self.groups.get(id).map(|&group| (group, *id));
            if let Some(parked) = key.and_then(|key| self.parked.get_mut(&key)) {
                parked.attempts += 1;
            }
        }
        for parked in park {
            self.park(parked);
        }
    }

    fn remove(&mut self, id: ParkedId) {
        let Some(group) = self.groups.remove(&id) else { return };
        let Some(parked) = self.parked.remove(&(group, id)) else { return };
        let Some(key) = order_key(group, &parked.record, parked.order.as_ref()) else { return };
        if let Some(ids) = self.orders.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.orders.remove(&key);
            }
        }
    }

    fn park(&mut self, ToPark { group, record, order, cause, at }: ToPark) {
        self.last += 1;
        let id = ParkedId(self.last);
        self.groups.insert(id, group);
        if let Some(key) = order_key(group, &record, order.as_ref()) {
            self.orders.entry(key).or_default().insert(id);
        }
        // Databases do not keep where a message was in a journal.
        let record = Arc::new(Record { seq: Seq(0), ..(*record).clone() });
        self.parked.insert((group, id), Parked { id, record, order, cause, parked_at: at, attempts: 0 });
    }

    pub(super) fn all_positions(&self) -> impl Iterator<Item = (Group, TopicPartition, Position)> {
        self.positions.iter().map(|(&(group, partition), &position)| (group, partition, position))
    }

    pub(super) fn all_parked(&self) -> impl Iterator<Item = (Group, &Parked)> {
        self.parked.iter().map(|(&(group, _), parked)| (group, parked))
    }

    pub(super) fn position(&self, group: Group, partition: TopicPartition) -> Option<Position> {
        self.positions.get(&(group, partition)).copied()
    }

    fn of_group(&self, group: Group, after: Option<ParkedId>) -> impl Iterator<Item = &Parked> {
        let after = Bound::Excluded((group, after.unwrap_or(ParkedId(i64::MIN))));
        let rest = self.parked.range((after, Bound::Unbounded));
        rest.take_while(move |((g, _), _)| *g == group).map(|(_, parked)| parked)
    }

    fn like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Vec<Parked> {
        if let ParkedFilter { topic: Some(topic), order: Some(order) } = filter {
            let ids = self.orders.get(&(group, *topic, order.clone())).into_iter().flatten();
            let later = ids.filter(|id| after.is_none_or(|after| **id > after));
            return later.filter_map(|id| self.parked.get(&(group, *id))).take(limit).cloned().collect();
        }
        let takes = |parked: &&Parked| {
            filter.topic.is_none_or(|topic| topic == parked.record.topic)
                && filter.order.as_ref().is_none_or(|order| parked.order.as_ref() == Some(order))
        };
        self.of_group(group, after).filter(takes).take(limit).cloned().collect()
    }
}

#[async_trait]
impl<S: Send + 'static> Inbox for Memory<S> {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.inspect(|state| {
            let all = state.inbox.all_positions().filter(|(g, ..)| *g == group);
            all.map(|(_, partition, position)| (partition, position)).collect()
        })
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.inspect(|state| state.inbox.of_group(group, after).take(limit).cloned().collect())
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.inspect(|state| state.inbox.like(group, filter, after, limit))
    }

    async fn parked_message(&self, group: Group, id: ParkedId) -> Result<Option<Parked>, StoreError> {
        self.inspect(|state| state.inbox.parked.get(&(group, id)).cloned())
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.inspect(|state| {
            let parked = |(topic, order): &(Topic, Bytes)| {
                state.inbox.orders.contains_key(&(group, *topic, order.clone()))
            };
            orders.into_iter().filter(parked).collect()
        })
    }

    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        self.inspect(|state| {
            let mut counts: BTreeMap<TopicPartition, u64> = BTreeMap::new();
            for parked in state.inbox.of_group(group, None) {
                *counts.entry(parked.record.topic_partition()).or_default() += 1;
            }
            counts.into_iter().collect()
        })
    }
}
