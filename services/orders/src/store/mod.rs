//! What the Orders service asks of its database. The docs of the traits are their specification; [`crate::suite`] holds
//! every back-end to them.

mod change;
mod codec;
mod history;
mod query;
mod search;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::canonical::Fingerprint;
use holdfast_contract::{OrderId, Timestamp};
use holdfast_storage::{Advance, Outgoing, ParkedId, Seq, StoreError, ToPark};
use thiserror::Error;

pub use change::{Change, ChangeParts, Previous, StepCause, StepEvent};
pub(crate) use codec::{decode_order, encode_order};
pub(crate) use history::{Encoder, decode_numbered_steps, decode_steps};
pub use history::{Place, StepLive, StepOutgoing, Timeline, TimelineStep};
pub use query::{Cursor, ListQuery, Page, SortBy, SortOrder, TOTAL_CAP};
pub(crate) use search::words;
pub use search::{InvalidSearch, Search};

use crate::domain::Order;

/// Names a request for idempotency: the first 16 bytes of a digest of subject, route and key.
pub type IdempotencyScope = [u8; 16];

/// The stored answer to a request with an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Which request.
    pub scope: IdempotencyScope,
    /// What its body meant ([`holdfast_contract::canonical`]).
    pub fingerprint: Fingerprint,
    /// HTTP status that was answered; never a 5xx.
    pub status: u16,
    /// Body that was answered.
    pub body: Bytes,
    /// When.
    pub at: Timestamp,
}

/// Everything that takes effect at once, or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// New orders, new states of orders and notes, with what goes out with them. Several for one order are applied one
    /// after the other, each for the version that the one before left.
    pub changes: Vec<Change>,
    /// The answer to remember.
    pub idempotency: Option<IdempotencyRecord>,
    /// Positions to move.
    pub advances: Vec<Advance>,
    /// Messages to set aside.
    pub park: Vec<ToPark>,
    /// Copies of parked messages for `<topic>.dlq`: outgoing records without a change.
    pub copies: Vec<Outgoing>,
    /// The parked message that this replays or discards.
    pub unpark: Option<ParkedId>,
    /// Parked messages whose replay has failed once more.
    pub attempted: Vec<ParkedId>,
}

impl Commit {
    /// A commit of one change.
    pub fn of(change: Change) -> Self {
        Self { changes: vec![change], ..Self::default() }
    }
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The last outgoing record's place in the journal; `None` if there was none, or there is no journal.
    pub newest: Option<Seq>,
}

/// Why a commit took no effect.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The order is not (or no longer) at the version that the change was decided for. Read it and decide again.
    #[error("order {0} was changed by somebody else")]
    VersionConflict(OrderId),
    /// There is an order with this id.
    #[error("there is an order {0} already")]
    AlreadyExists(OrderId),
    /// There is an answer for this scope: read it with [`Idempotency::idempotent`].
    #[error("the idempotency key was used before")]
    IdempotencyTaken,
    /// Somebody else replayed or discarded the parked message.
    #[error("the parked message is gone")]
    ParkedGone,
    /// The store failed; see [`StoreError`]. [`StoreError::StaleWorker`]: a position was not where the worker left it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The one way to write.
///
/// # Specification
/// - A commit MUST take effect as a whole and be durable before it is answered, or have no effect at all: orders,
///   history, outgoing records, idempotency record, positions, parked messages. With an error it had no effect, except
///   that after [`StoreError::Unavailable`] it may have had all of it.
/// - A change of a version that is not the stored one MUST fail with [`CommitError::VersionConflict`] (also if there is
///   no such order), a new order with a taken id with [`CommitError::AlreadyExists`].
/// - Outgoing records of one key MUST go out in the order of the changes, each change's events before its live messages;
///   and every step of an order's history MUST know the places that they get.
/// - A taken idempotency scope MUST fail with [`CommitError::IdempotencyTaken`], whatever else is in the commit.
/// - Once answered, every read MUST see it: [`OrderReads::get`], lists, filters and sorting at once; text search at
///   latest a second later.
#[async_trait]
pub trait OrderWrites: Send + Sync {
    /// Commits. Hundreds of changes in one commit are fine, and cheaper than one by one.
    ///
    /// # Errors
    /// See [`CommitError`].
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;
}

/// Reading orders. Deleted (hidden) orders are read by id like any other, and never listed.
///
/// # Specification
/// - What breaks an invariant MUST be answered with [`StoreError::Inconsistent`], never served.
/// - A list MUST give every order that matches and did not change meanwhile exactly once over its pages, whatever else
///   is written meanwhile; ties of the sort key MUST be broken by id, in the direction of the sort.
#[async_trait]
pub trait OrderReads: Send + Sync {
    /// The order in its newest state.
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError>;

    /// The orders in their newest states, in the order asked for; `None` where there is none.
    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError>;

    /// A page of the orders that match.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// Everything that happened to an order, oldest first; `None` if there is no such order. Kept for ever, also when
    /// the journal's records are gone.
    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError>;

    /// Up to `limit` orders after `after` (by id, oldest first), hidden ones too, in their newest states.
    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError>;

    /// As [`OrderReads::scan`], with everything that happened to them.
    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError>;

    /// Up to `limit` orders after `after` (by id, oldest first) that wait for Products
    /// ([`crate::domain::outstanding_request`]) and have not changed since `before`. Says so correctly at the latest a
    /// second after the change. Orders of which something is still to be published may be left out.
    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError>;
}

/// The stored answers to requests with an `Idempotency-Key`.
///
/// # Specification
/// - A record MUST stay until [`Idempotency::purge`] is called with a time after it, whatever happens to the order.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// The stored answer.
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Forgets answers from before `before`, a bounded number in one call; says how many. Call it until it says 0.
    /// Callers keep `before` at least 24 hours back.
    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError>;
}

/// All of it: what the service is given.
pub trait OrderStore: OrderWrites + OrderReads + Idempotency {}

impl<T: OrderWrites + OrderReads + Idempotency> OrderStore for T {}
