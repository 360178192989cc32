//! The way to the decider: cheap to clone, bounded, answers once the effect is durable.

use std::sync::Arc;

use holdfast_contract::ProductId;
use holdfast_service::operator::{DeadLetterError, Mode, Outcome};
use holdfast_storage::{Advance, ParkedId, Record, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::command::{Adjust, Answered, CommandError, Create, Edit, HttpHeld, HttpHold, Idempotent};
use crate::domain::ProductView;

pub(super) type Reply<T, E = CommandError> = oneshot::Sender<Result<T, E>>;

/// A piece of work for the decider.
pub(super) enum Work {
    Batch {
        records: Vec<Arc<Record>>,
        advances: Vec<Advance>,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    Reserve(HttpHold, Option<Idempotent<HttpHeld>>, Reply<Answered<HttpHeld>>),
    Release(HttpHold, Option<Idempotent<HttpHeld>>, Reply<Answered<HttpHeld>>),
    Adjust(Adjust, Option<Idempotent>, Reply<Answered>),
    Create(Box<Create>, Option<Idempotent>, Reply<Answered>),
    Edit(Box<Edit>, Option<Idempotent>, Reply<Answered>),
    Hide(ProductId, Option<Idempotent<()>>, Reply<Answered<()>>),
    Replay(ParkedId, Mode, Reply<Outcome, DeadLetterError>),
    Discard(ParkedId, Mode, Reply<Outcome, DeadLetterError>),
}

impl Work {
    /// Whether it shares its commit with nothing.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Batch { .. } | Self::Replay(..) | Self::Discard(..))
    }

    /// Answers that nothing was done. Whoever asked may have gone away.
    pub(super) fn refuse(self, error: &StoreError) {
        fn no<T, E: From<CommandError>>(reply: Reply<T, E>, error: &StoreError) {
            let _ = reply.send(Err(CommandError::from(again(error)).into()));
        }
        match self {
            Self::Batch { reply, .. } => drop(reply.send(Err(again(error)))),
            Self::Reserve(.., reply) | Self::Release(.., reply) => no(reply, error),
            Self::Adjust(.., reply) | Self::Create(.., reply) | Self::Edit(.., reply) => no(reply, error),
            Self::Hide(.., reply) => no(reply, error),
            Self::Replay(.., reply) | Self::Discard(.., reply) => no(reply, error),
        }
    }
}

/// The same error once more.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Inconsistent(what) => StoreError::Inconsistent(what.clone()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// The way to the one writer of stock. Every answer is given after its effect is durable.
///
/// Every call may have an idempotency key. With one, its answer is stored with its effect, a refusal too
/// ([`Answered::Refused`]), and the same request again is given it; another body is refused with
/// `IdempotencyKeyReused`. The names without `once` are for callers without a key.
#[derive(Clone)]
pub struct Decider {
    pub(super) queue: mpsc::Sender<Work>,
}

impl Decider {
    /// Holds some of a product for an order id. The same call again answers the same.
    ///
    /// # Errors
    /// Refused with `ProductNotFound`, `ProductInactive`, `InsufficientStock`, `HoldOwnedByOrder`, `OtherQuantity` or
    /// `AlreadyReleased`.
    pub async fn reserve(&self, hold: HttpHold) -> Result<HttpHeld, CommandError> {
        self.ask(|reply| Work::Reserve(hold, None, reply)).await?.fresh()
    }

    /// As [`Decider::reserve`], with an idempotency key.
    ///
    /// # Errors
    /// Refused with `IdempotencyKeyReused` only.
    pub async fn reserve_once(
        &self,
        hold: HttpHold,
        key: Idempotent<HttpHeld>,
    ) -> Result<Answered<HttpHeld>, CommandError> {
        self.ask(|reply| Work::Reserve(hold, Some(key), reply)).await
    }

    /// Gives back what an order id holds of a product; answers 0 if it holds nothing, and then a reserve that comes
    /// later is refused. The same call again answers the same.
    ///
    /// # Errors
    /// Refused with `ProductNotFound`, `HoldOwnedByOrder` or `OtherQuantity`.
    pub async fn release(&self, hold: HttpHold) -> Result<HttpHeld, CommandError> {
        self.ask(|reply| Work::Release(hold, None, reply)).await?.fresh()
    }

    /// As [`Decider::release`], with an idempotency key.
    ///
    /// # Errors
    /// Refused with `IdempotencyKeyReused` only.
    pub async fn release_once(
        &self,
        hold: HttpHold,
        key: Idempotent<HttpHeld>,
    ) -> Result<Answered<HttpHeld>, CommandError> {
        self.ask(|reply| Work::Release(hold, Some(key), reply)).await
    }

    /// Corrects what is on hand.
    ///
    /// # Errors
    /// Refused with `ProductNotFound`, `StockHeld` (naming the holds) or `TooMuch` if there is no idempotency key (with
    /// one, that is [`Answered::Refused`]); with `IdempotencyKeyReused`.
    pub async fn adjust(
        &self,
        adjust: Adjust,
        idempotent: Option<Idempotent>,
    ) -> Result<Answered, CommandError> {
        self.ask(|reply| Work::Adjust(adjust, idempotent, reply)).await
    }

    /// Adds a product.
    ///
    /// # Errors
    /// Refused with `DuplicateSku`, `ProductExists` or `TooMuch` if there is no idempotency key (with one, that is
    /// [`Answered::Refused`]); with `IdempotencyKeyReused`.
    pub async fn create(
        &self,
        create: Create,
        idempotent: Option<Idempotent>,
    ) -> Result<Answered, CommandError> {
        self.ask(|reply| Work::Create(Box::new(create), idempotent, reply)).await
    }

    /// Changes a product's details. A change to what they are already is no new version.
    ///
    /// # Errors
    /// Refused with `ProductNotFound`, `VersionConflict` or `DuplicateSku`.
    pub async fn edit(&self, edit: Edit) -> Result<ProductView, CommandError> {
        self.ask(|reply| Work::Edit(Box::new(edit), None, reply)).await?.fresh()
    }

    /// As [`Decider::edit`], with an idempotency key.
    ///
    /// # Errors
    /// Refused with `IdempotencyKeyReused` only.
    pub async fn edit_once(&self, edit: Edit, key: Idempotent) -> Result<Answered, CommandError> {
        self.ask(|reply| Work::Edit(Box::new(edit), Some(key), reply)).await
    }

    /// Hides a product: it is no longer found or sold, its ledger stays.
    ///
    /// # Errors
    /// Refused with `ProductNotFound` or `HoldsOpen` (naming the holds).
    pub async fn hide(&self, product: ProductId) -> Result<(), CommandError> {
        self.ask(|reply| Work::Hide(product, None, reply)).await?.fresh()
    }

    /// As [`Decider::hide`], with an idempotency key.
    ///
    /// # Errors
    /// Refused with `IdempotencyKeyReused` only.
    pub async fn hide_once(
        &self,
        product: ProductId,
        key: Idempotent<()>,
    ) -> Result<Answered<()>, CommandError> {
        self.ask(|reply| Work::Hide(product, Some(key), reply)).await
    }

    /// Decides a batch of messages and moves the positions with the effects.
    ///
    /// # Errors
    /// As [`holdfast_bus::worker::Handler::handle`] says.
    pub async fn batch(&self, records: Vec<Arc<Record>>, advances: Vec<Advance>) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable("the decider has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        self.queue.send(Work::Batch { records, advances, reply }).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) async fn ask<T, E: From<CommandError>>(
        &self,
        work: impl FnOnce(Reply<T, E>) -> Work,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(work(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped().into()))
    }
}

pub(super) fn stopped() -> CommandError {
    CommandError::Unavailable("the service is shutting down".to_owned())
}
