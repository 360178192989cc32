//! What is committed at once.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::canonical::Fingerprint;
use holdfast_contract::{ProductId, Timestamp};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{Advance, Outgoing, ParkedId, StoreError, ToPark};
use thiserror::Error;

use super::turns::Turn;
use crate::domain::{Decision, Hold, HoldId, HttpReservation, LedgerMovement, Product, StockChange};

/// An answer, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// The answer to a request that had an idempotency key, committed with its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The key.
    pub scope: IdempotencyScope,
    /// Of the request's body.
    pub fingerprint: Fingerprint,
    /// What was answered.
    pub answer: StoredAnswer,
    /// When.
    pub at: Timestamp,
}

/// A change of the catalogue. Its stock is in [`StockCommit::stock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalogue {
    /// A new product.
    Created(Arc<Product>),
    /// Other details.
    Edited(Arc<Product>),
    /// No longer shown; its ledger stays.
    Hidden(ProductId),
}

/// Everything that takes effect at once. Applied in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct StockCommit {
    /// Whose turn it was decided in; `None` if whoever commits is sure to be alone.
    pub turn: Option<Turn>,
    /// Changes of the catalogue.
    pub catalogue: Vec<Catalogue>,
    /// New levels, each with the version that it was made from; one for each product.
    pub stock: Vec<StockChange>,
    /// What moved, in the order of their ids.
    pub movements: Vec<Arc<LedgerMovement>>,
    /// Holds that were opened.
    pub opened: Vec<Hold>,
    /// Holds that were closed, perhaps of those that were opened just now.
    pub closed: Vec<(ProductId, HoldId)>,
    /// Holds that are put back to what they must be, whatever is stored under their names: for a repair of the books.
    pub restored: Vec<Hold>,
    /// Decisions; several on one reservation in the order they were made in. Their movements are in `movements`.
    pub decisions: Vec<Arc<Decision>>,
    /// Reservations over HTTP.
    pub http_reservations: Vec<HttpReservation>,
    /// Answers to requests with an idempotency key.
    pub idempotent: Vec<IdempotencyRecord>,
    /// Outgoing records.
    pub outgoing: Vec<Outgoing>,
    /// Consumed positions.
    pub advances: Vec<Advance>,
    /// Messages to be parked.
    pub park: Vec<ToPark>,
    /// Messages that are no longer parked.
    pub unpark: Vec<ParkedId>,
    /// Messages whose replay has failed once more.
    pub attempted: Vec<ParkedId>,
}

impl StockCommit {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.catalogue.is_empty()
            && self.stock.is_empty()
            && self.movements.is_empty()
            && self.restored.is_empty()
            && self.decisions.is_empty()
            && self.http_reservations.is_empty()
            && self.idempotent.is_empty()
            && self.outgoing.is_empty()
            && self.advances.is_empty()
            && self.park.is_empty()
            && self.unpark.is_empty()
            && self.attempted.is_empty()
    }
}

/// Why a commit did not take effect.
#[derive(Debug, Error)]
pub enum CommitError {
    /// Another decider has changed the product: what this one knows is old.
    #[error("product {0} was changed by somebody else")]
    Stale(ProductId),
    /// It is somebody else's turn to decide: what this decider knows may be old.
    #[error("another instance has taken the turn")]
    TurnLost,
    /// Somebody else has replayed or discarded the message.
    #[error("the message is no longer parked")]
    AlreadyUnparked,
    /// See [`StoreError`].
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<CommitError> for StoreError {
    /// For a consumer: what was decided from old knowledge is decided anew.
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => error,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
