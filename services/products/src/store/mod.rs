//! What the Products service asks of its database. The docs of the traits are their specification; the suite
//! (feature `suite`) holds every back-end to them.

mod books;
pub(crate) mod codes;
mod commit;
mod query;
pub(crate) mod stored;
mod turns;
pub mod words;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{ProductId, ReservationId, Timestamp};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::StoreError;

pub use books::{Book, HeldPage, HoldsDigest};
pub use commit::{Catalogue, CommitError, IdempotencyRecord, StockCommit, StoredAnswer};
pub use query::{InvalidSort, Limits, ProductPage, ProductQuery, Sort, SortBy};
pub use turns::{Turn, Turns};

use crate::domain::{Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, OrderRef, Shelf};

/// The one way to change the database.
///
/// # Specification
/// - [`StockWrites::commit`] MUST make everything in the commit durable at once, or nothing of it; when it answers `Ok`
///   it MUST be visible to every read that starts later, and its records in the journal.
/// - It MUST fail with [`CommitError::Stale`] if a product's stored version is not the one that its change was made
///   from, and with [`CommitError::AlreadyUnparked`] if a message to be unparked is no longer parked.
/// - If the commit has a [`Turn`], it MUST fail with [`CommitError::TurnLost`] unless the turn is still held.
/// - Positions are compared and set as [`holdfast_storage::Inbox`] says.
/// - Decisions and HTTP reservations replace what is stored under their key; movements and idempotency records are only
///   added, and it MUST fail if one of their names is taken.
/// - A reservation's decisions come in the order of their numbers, also from commit to commit. A commit whose decision does
///   not follow the stored one comes from somebody who knows too little: it need not be taken, and if it is not, nothing of
///   it is.
#[async_trait]
pub trait StockWrites: Send + Sync {
    /// Commits.
    async fn commit(&self, commit: StockCommit) -> Result<(), CommitError>;

    /// Forgets idempotency records from before `before`, a bounded number in one call; says how many.
    async fn forget_idempotency(&self, before: Timestamp) -> Result<usize, StoreError>;
}

/// What a decider has to know before it decides anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The newest movement; later ones get the numbers after it.
    pub last_movement: Option<MovementId>,
    /// The greatest reservation id that was decided: a greater one is new without a look-up.
    pub newest_reservation: Option<ReservationId>,
    /// The orders (by id) that have open HTTP holds, one entry for each hold.
    pub http_orders: Vec<OrderRef>,
}

/// Reads the database. Each call sees one state between two commits.
///
/// # Specification
/// - Reading MUST prove the invariants of what it gives again (`0 ≤ reserved ≤ on hand`, texts and amounts well-formed,
///   a decision's movements of the kinds that its state needs); anything else is [`StoreError::Inconsistent`].
/// - What was not found is absent from the answer, and no error.
#[async_trait]
pub trait StockReads: Send + Sync {
    /// See [`Counters`].
    async fn counters(&self) -> Result<Counters, StoreError>;

    /// These products, hidden ones too.
    async fn shelves(&self, ids: Vec<ProductId>) -> Result<Vec<Shelf>, StoreError>;

    /// A page of the catalogue without hidden products.
    async fn list(&self, query: ProductQuery) -> Result<ProductPage, StoreError>;

    /// The names of the categories of products that are not hidden, sorted.
    async fn categories(&self) -> Result<Vec<String>, StoreError>;

    /// Which product (that is not hidden) has this SKU.
    async fn sku_owner(&self, sku: String) -> Result<Option<ProductId>, StoreError>;

    /// Up to `limit` open holds of a product after `after`, oldest first.
    async fn holds(
        &self,
        product: ProductId,
        after: Option<HoldId>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError>;

    /// Up to `limit` movements of a product before `before`, newest first.
    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError>;

    /// Up to `limit` movements of all products after `after`, oldest first.
    async fn ledger(
        &self,
        after: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError>;

    /// Up to `limit` open holds of all products after `after`, in the order of (product, hold).
    async fn open_holds(
        &self,
        after: Option<(ProductId, HoldId)>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError>;

    /// Up to `limit` products after `after`, hidden ones too, in the order of their ids.
    async fn all_shelves(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Shelf>, StoreError>;

    /// The decisions on these reservations.
    async fn decisions(&self, ids: Vec<ReservationId>) -> Result<Vec<Arc<Decision>>, StoreError>;

    /// Up to `limit` products after `after`, hidden ones too, in the order of their ids: what is stored of them and of
    /// their open holds. Proves nothing of it, so that what does not fit can be told.
    async fn books(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Book>, StoreError>;

    /// Looks at up to `limit` decisions after `after`, in the order of their ids.
    async fn held(&self, after: Option<ReservationId>, limit: usize) -> Result<HeldPage, StoreError>;

    /// The reservation that this order made of this product over HTTP.
    async fn http_reservation(
        &self,
        order: OrderRef,
        product: ProductId,
    ) -> Result<Option<HttpReservation>, StoreError>;

    /// What was answered to a request with this idempotency key.
    async fn idempotent(&self, scope: IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError>;
}

/// A whole store.
pub trait ProductStore: StockWrites + StockReads + Turns + holdfast_storage::Inbox {}

impl<S: StockWrites + StockReads + Turns + holdfast_storage::Inbox> ProductStore for S {}
