//! The Orders service's store in memory.

mod commit;
mod history;
mod lists;
mod reads;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::Keeps;
use holdfast_contract::{OrderId, Timestamp, Topic};
use holdfast_orders::database::Database;
use holdfast_orders::domain::Order;
use holdfast_orders::recovery::Unpublished;
use holdfast_orders::store::{IdempotencyRecord, IdempotencyScope};
use holdfast_service::TimeOrderedKeys;
use holdfast_service::backend::{AlwaysMine, Duty};
use holdfast_storage::{Journal, Outbox, Places, StoreError};
use tokio::time::Instant;

use self::history::Step;
use self::lists::Lists;
use super::answers::Answers;
use super::disk::Memory;
use super::log::Log;
use super::{MemoryOptions, Outlet};

/// A handle on an Orders store in memory.
pub type MemoryOrders = Memory<Orders>;

/// How long a duty stays where it is, as with MongoDB: longer than any pause between two rounds.
const DUTY: Duration = Duration::from_secs(60);

/// What a [`MemoryOrders`] keeps.
#[derive(Default)]
pub struct Orders {
    entries: BTreeMap<OrderId, Entry>,
    lists: Lists,
    /// Those that wait for Products.
    waiting: BTreeSet<OrderId>,
    answers: Answers<IdempotencyScope, IdempotencyRecord>,
    /// By the newest commit.
    changed: Vec<OrderId>,
    /// Which handle asks for what is forgotten, and for how long.
    redecides: Option<(u64, Instant)>,
}

struct Entry {
    order: Arc<Order>,
    steps: Vec<Step>,
    /// The newest record about it; 0 if there is none.
    last_record: u64,
}

impl MemoryOrders {
    /// An empty store.
    pub fn new(options: &MemoryOptions) -> Self {
        Self::over(options, Log::new(Topic::FROM_ORDERS, options), Orders::default())
    }

    /// The outgoing records.
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::new(self.clone())
    }

    /// The same, for a relay.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.clone())
    }

    /// Where the broker has the journal's records.
    pub fn places(&self) -> Arc<dyn Places> {
        Arc::new(self.clone())
    }

    /// What of the journal is not published.
    pub fn unpublished(&self) -> Arc<dyn Unpublished> {
        Arc::new(self.clone())
    }

    /// As the service takes it. `keys` must be this instance's; they go on after the newest order.
    pub fn database(&self, keys: Arc<TimeOrderedKeys>) -> Database {
        if let Some(newest) = self.look(|view| view.newest_order()) {
            keys.advance_past(newest.key());
        }
        let outlet = self.options().outlet;
        let published = outlet != Outlet::Journal;
        let journal = outlet == Outlet::PublishedJournal;
        Database {
            store: Arc::new(self.clone()),
            inbox: Arc::new(self.clone()),
            keys,
            journal: (outlet != Outlet::Outbox).then(|| self.journal()),
            file: None,
            outbox: published.then(|| self.outbox()),
            places: journal.then(|| self.places()),
            unpublished: journal.then(|| self.unpublished()),
            redecides: Arc::new(self.clone()),
            audits: Arc::new(AlwaysMine),
            backend: Arc::new(self.clone()),
            keeps: if published { vec![Arc::new(self.clone()) as Arc<dyn Keeps>] } else { Vec::new() },
        }
    }
}

#[async_trait]
impl Unpublished for MemoryOrders {
    async fn oldest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inspect(|state| {
            let published = state.published.up_to(&state.log);
            state.log.after(published).next().map(|record| record.at)
        })
    }
}

/// To ask for what is forgotten: of whoever asked last, for a while.
#[async_trait]
impl Duty for MemoryOrders {
    async fn is_mine(&self) -> Result<bool, StoreError> {
        let now = Instant::now();
        self.tend(|state| {
            let anothers = |&(holder, until): &(u64, Instant)| {
                holder != self.number() && until > now && self.works(holder)
            };
            let mine = !state.body.redecides.as_ref().is_some_and(anothers);
            if mine {
                state.body.redecides = Some((self.number(), now + DUTY));
            }
            mine
        })
    }
}
