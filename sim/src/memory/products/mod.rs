//! The Products service's store in memory.

mod books;
mod catalogue;
mod commit;
mod reads;
mod turns;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{ProductId, ReservationId, Timestamp, Topic};
use holdfast_products::database::Database;
use holdfast_products::domain::{
    Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, Shelf, StockLevel,
};
use holdfast_products::store::{CommitError, IdempotencyRecord, StockCommit, StockWrites};
use holdfast_service::backend::AlwaysMine;
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{Journal, Outbox, StoreError};

use self::catalogue::Catalogue;
use self::turns::Turns;
use super::answers::Answers;
use super::disk::Memory;
use super::log::Log;
use super::{MemoryOptions, Outlet};

/// A handle on a Products store in memory: an instance of the service, where several may be open.
pub type MemoryProducts = Memory<Products>;

/// Idempotency records forgotten by one call.
const FORGET: usize = 1_000;

/// What a [`MemoryProducts`] keeps.
#[derive(Default)]
pub struct Products {
    catalogue: Catalogue,
    stock: BTreeMap<ProductId, Stock>,
    /// In the order of their ids, which count from 1 without gaps.
    ledger: Vec<Arc<LedgerMovement>>,
    by_product: BTreeMap<ProductId, Vec<MovementId>>,
    holds: BTreeMap<(ProductId, HoldId), Hold>,
    decisions: BTreeMap<ReservationId, Arc<Decision>>,
    http: BTreeMap<HttpKey, HttpReservation>,
    /// Those of them that hold something.
    http_held: BTreeSet<HttpKey>,
    answers: Answers<IdempotencyScope, IdempotencyRecord>,
    turns: Turns,
    /// By the newest commit.
    changed: Vec<ProductId>,
}

/// An order, as its caller names it, and a product.
type HttpKey = (String, ProductId);

#[derive(Clone, Copy)]
struct Stock {
    level: StockLevel,
    last_movement: Option<MovementId>,
}

impl Products {
    fn shelf(&self, id: ProductId) -> Option<Shelf> {
        let entry = self.catalogue.get(id)?;
        let &Stock { level, last_movement } = self.stock.get(&id)?;
        Some(Shelf { product: entry.product.clone(), level, last_movement, hidden: entry.hidden })
    }

    fn movement(&self, id: MovementId) -> Option<&Arc<LedgerMovement>> {
        self.ledger.get(usize::try_from(id.0).ok()?.checked_sub(1)?)
    }
}

impl MemoryProducts {
    /// An empty store.
    pub fn new(options: &MemoryOptions) -> Self {
        Self::over(options, Log::new(Topic::FROM_PRODUCTS, options), Products::default())
    }

    /// The outgoing records.
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::new(self.clone())
    }

    /// The same, for a relay.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.clone())
    }

    /// As the service takes it.
    pub fn database(&self) -> Database {
        let outlet = self.options().outlet;
        let published = outlet != Outlet::Journal;
        Database {
            store: Arc::new(self.clone()),
            journal: (outlet != Outlet::Outbox).then(|| self.journal()),
            file: None,
            outbox: published.then(|| self.outbox()),
            audits: Arc::new(AlwaysMine),
            backend: Arc::new(self.clone()),
            keeps: if published { vec![Arc::new(self.clone())] } else { Vec::new() },
        }
    }
}

#[async_trait]
impl StockWrites for MemoryProducts {
    async fn commit(&self, commit: StockCommit) -> Result<(), CommitError> {
        if commit.is_empty() {
            return self.inspect(|_| ()).map_err(CommitError::from);
        }
        self.commit_with(|state| commit::commit(state, commit, self.options(), self.number()))
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.tend(|state| state.body.answers.forget(before, FORGET))
    }
}
