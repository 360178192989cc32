//! The orders that changed since they were last indexed, in memory.
//!
//! Filled on the writer thread right after the commit and before the answer, so a list shows its reader's own writes;
//! emptied as the index catches up. What is in here is always the newest state.

use std::sync::Arc;

use holdfast_contract::{OrderId, OrderStatus};
use holdfast_storage::Seq;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::domain::Order;
use crate::store::Previous;

/// More than this many, and the index should catch up at once.
pub(super) const CROWD: usize = 8_192;

/// How the index has an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexed {
    /// Not at all: it is new.
    Not,
    /// As hidden: in no list.
    Hidden,
    /// In the lists, with this status.
    As(OrderStatus),
    /// Unknown: it changed before the process started.
    Unknown,
}

impl Indexed {
    pub(super) fn now(order: &Order) -> Self {
        if order.hidden { Self::Hidden } else { Self::As(order.status()) }
    }

    fn before(previous: Option<Previous>) -> Self {
        match previous {
            None => Self::Not,
            Some(previous) if previous.hidden => Self::Hidden,
            Some(previous) => Self::As(previous.status),
        }
    }
}

/// An order that is not indexed as it is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) order: Arc<Order>,
    pub(super) indexed: Indexed,
}

#[derive(Default)]
struct State {
    entries: FxHashMap<OrderId, Entry>,
    /// The newest journal record whose change is taken up here.
    newest: Seq,
    /// The index's generation that the entries are relative to.
    generation: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Overlay {
    state: RwLock<State>,
    dirty: Notify,
    crowded: Notify,
}

/// The overlay at one moment.
pub(super) struct Snapshot {
    pub(super) entries: Vec<Entry>,
    pub(super) newest: Seq,
    pub(super) generation: u64,
}

impl Overlay {
    pub(super) fn new(generation: u64, newest: Seq) -> Self {
        let state = State { generation, newest, ..State::default() };
        Self { state: RwLock::new(state), ..Self::default() }
    }

    /// Takes up an order that changed before the process started.
    pub(super) fn recover(&self, order: Arc<Order>) {
        self.state.write().entries.insert(order.id, Entry { order, indexed: Indexed::Unknown });
    }

    /// Takes up what a durable commit changed.
    pub(super) fn committed(&self, changed: Vec<(Option<Previous>, Arc<Order>)>, newest: Option<Seq>) {
        let mut state = self.state.write();
        for (previous, order) in changed {
            state
                .entries
                .entry(order.id)
                .and_modify(|entry| entry.order = order.clone())
                .or_insert_with(|| Entry { order, indexed: Indexed::before(previous) });
        }
        if let Some(newest) = newest {
            state.newest = state.newest.max(newest);
        }
        let dirty = state.entries.len();
        drop(state);
        if dirty > 0 {
            self.dirty.notify_one();
        }
        if dirty > CROWD {
            self.crowded.notify_one();
        }
    }

    /// Takes up that a durable commit indexed orders in these states.
    pub(super) fn flushed(&self, orders: &[Entry], generation: u64) {
        let mut state = self.state.write();
        state.generation = generation;
        for Entry { order: indexed, .. } in orders {
            let Some(entry) = state.entries.get_mut(&indexed.id) else { continue };
            if entry.order.version == indexed.version {
                state.entries.remove(&indexed.id);
            } else {
                entry.indexed = Indexed::now(indexed);
            }
        }
    }

    pub(super) fn get(&self, id: OrderId) -> Option<Arc<Order>> {
        self.state.read().entries.get(&id).map(|entry| entry.order.clone())
    }

    pub(super) fn get_many(&self, ids: &[OrderId]) -> Vec<Option<Arc<Order>>> {
        let state = self.state.read();
        ids.iter().map(|id| state.entries.get(id).map(|entry| entry.order.clone())).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let state = self.state.read();
        Snapshot {
            entries: state.entries.values().cloned().collect(),
            newest: state.newest,
            generation: state.generation,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state.read().entries.len()
    }

    /// Waits until something is not indexed.
    pub(super) async fn dirty(&self) {
        while self.len() == 0 {
            self.dirty.notified().await;
        }
    }

    /// Waits until more than [`CROWD`] orders are not indexed.
    pub(super) async fn crowded(&self) {
        while self.len() <= CROWD {
            self.crowded.notified().await;
        }
    }
}
