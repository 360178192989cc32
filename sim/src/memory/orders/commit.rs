//! One commit: everything is checked, then done.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

use async_trait::async_trait;
use holdfast_contract::OrderId;
use holdfast_orders::domain::awaits_products;
use holdfast_orders::store::{Change, Commit, CommitError, Committed, OrderWrites};
use holdfast_storage::Seq;

use super::super::disk::State;
use super::super::inbox::Void;
use super::super::log::Log;
use super::history::{Recorder, is_repeated};
use super::{Entry, MemoryOrders, Orders};

#[async_trait]
impl OrderWrites for MemoryOrders {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.commit_with(|state| apply(state, commit))
    }
}

fn apply(state: &mut State<Orders>, commit: Commit) -> Result<Committed, CommitError> {
    let Commit { changes, idempotency, advances, park, copies, unpark, attempted } = commit;
    if idempotency.as_ref().is_some_and(|record| state.body.answers.get(&record.scope).is_some()) {
        return Err(CommitError::IdempotencyTaken);
    }
    let unpark = Vec::from_iter(unpark);
    state.inbox.check(&advances, &unpark, &park).map_err(|void| match void {
        Void::Gone => CommitError::ParkedGone,
        Void::Store(error) => error.into(),
    })?;
    state.log.check(changes.iter().flat_map(Change::outgoing).chain(&copies))?;
    state.body.check(&changes)?;

    let before = state.log.newest();
    state.inbox.apply(&advances, &unpark, &attempted, park);
    if let Some(record) = idempotency {
        state.body.answers.insert(record.scope, record.at, record);
    }
    state.body.changed.clear();
    for change in changes {
        state.body.apply(&mut state.log, change);
    }
    for outgoing in copies {
        state.log.append(outgoing);
    }
    let newest = state.log.newest();
    Ok(Committed { newest: (newest > before).then_some(Seq(newest)) })
}

impl Orders {
    /// Each change must be of the version that is stored, or that the one before it in the same commit leaves.
    fn check(&self, changes: &[Change]) -> Result<(), CommitError> {
        let mut left: BTreeMap<OrderId, u64> = BTreeMap::new();
        for change in changes {
            let id = change.order().id;
            let stored = || self.entries.get(&id).map(|entry| entry.order.version);
            let version = left.get(&id).copied().or_else(stored);
            match change.previous() {
                None if version.is_some() => return Err(CommitError::AlreadyExists(id)),
                Some(previous) if version != Some(previous.version) => {
                    return Err(CommitError::VersionConflict(id));
                }
                _ => {}
            }
            left.insert(id, change.order().version);
        }
        Ok(())
    }

    fn apply(&mut self, log: &mut Log, change: Change) {
        let parts = change.into_parts();
        let id = parts.order.id;
        let mut step = Recorder::new(&parts);
        for outgoing in parts.events {
            step.sent(&log.append(outgoing), None);
        }
        for (kind, outgoing) in parts.live {
            step.sent(&log.append(outgoing), Some(kind));
        }
        let last_record = step.last_record();
        self.changed.push(id);
        match self.entries.entry(id) {
            Occupied(mut found) => {
                let entry = found.get_mut();
                let step = step.finish(parts.cause);
                if !is_repeated(&entry.steps, &step) {
                    entry.steps.push(step);
                }
                entry.last_record = entry.last_record.max(last_record);
                if parts.note {
                    return;
                }
                self.lists.remove(&entry.order);
                entry.order = parts.order.clone();
            }
            Vacant(free) => {
                let steps = vec![step.finish(parts.cause)];
                free.insert(Entry { order: parts.order.clone(), steps, last_record });
            }
        }
        self.lists.insert(&parts.order);
        if awaits_products(&parts.order) {
            self.waiting.insert(id);
        } else {
            self.waiting.remove(&id);
        }
    }
}
