//! What is parked, run again or given up: the one part of the operator's calls that each service does in its own way.

use async_trait::async_trait;
use holdfast_storage::{Group, Inbox, Parked, ParkedFilter, ParkedId, StoreError};
use thiserror::Error;

/// Messages of one order that are looked at in one go.
const QUEUE: usize = 500;

/// Whether something is done or only tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is done.
    Real,
    /// It is decided and told, and nothing changes: not even the count of attempts.
    DryRun,
}

/// What became of a message, or would.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The message.
    pub message: Parked,
    /// For people: `order ORD-…: stock reserved (was pending)`.
    pub effect: String,
}

/// A message that still cannot be processed. It stays parked, and so does what is behind it.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// The message.
    pub message: Parked,
    /// Why.
    pub error: String,
}

/// What a replay or a discard did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What giving the message up did; `None` for a replay.
    pub discarded: Option<Effect>,
    /// Messages that were processed, in order, and are no longer parked.
    pub replayed: Vec<Effect>,
    /// The next one, if it could not be.
    pub stuck: Option<Stuck>,
}

/// Why nothing happened. The message stays parked.
#[derive(Debug, Error)]
pub enum DeadLetterError {
    /// There is none with this id; somebody else may have been faster.
    #[error("there is no parked message {}", .0.0)]
    NotFound(ParkedId),
    /// An earlier message of the same order in the same topic is parked: it comes first.
    #[error("parked message {} comes first", .first.0)]
    Behind {
        /// The first of them.
        first: ParkedId,
    },
    /// It still cannot be processed.
    #[error("the message still cannot be processed: {error}")]
    StillPoison {
        /// Why.
        error: String,
        /// How often a replay has failed, this time included.
        attempts: u32,
    },
    /// More is queued than can be done in time.
    #[error("more is queued than can be done in time")]
    Overloaded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A service's parked messages.
///
/// # Specification
/// - A message MUST be forgotten in the commit of its effects, never before.
/// - Only the first of its order and topic may be replayed or discarded; those behind it MUST follow by themselves, in
///   order, up to the first that still cannot be processed. What becomes of them is no error.
/// - A replay that fails because of the message MUST be counted durably in its `attempts`.
/// - A discarded message is forgotten without being processed. If it asked for stock that is not decided yet, the order
///   MUST be rejected with `PROCESSING_FAILED`.
/// - [`Mode::DryRun`] MUST change nothing, and MUST say what the same call would do now. There a message that still cannot
///   be processed is [`Outcome::stuck`], not an error.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Processes a message, and then those that were parked behind it.
    ///
    /// # Errors
    /// See [`DeadLetterError`].
    async fn replay(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError>;

    /// Gives a message up, and processes those that were parked behind it.
    ///
    /// # Errors
    /// [`DeadLetterError`], but never [`DeadLetterError::StillPoison`].
    async fn discard(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError>;
}

/// The message, and those that are parked behind it, in order.
///
/// # Errors
/// [`DeadLetterError::NotFound`]; [`DeadLetterError::Behind`] if it is not the first of its order and topic.
pub async fn queue_of(inbox: &dyn Inbox, group: Group, id: ParkedId) -> Result<Vec<Parked>, DeadLetterError> {
    let message = inbox.parked_message(group, id).await?.ok_or(DeadLetterError::NotFound(id))?;
    if message.order.is_none() {
        return Ok(vec![message]);
    }
    let queue = still_parked(inbox, group, &message).await?;
    match queue.first() {
        Some(first) if first.id == id => Ok(queue),
        Some(first) => Err(DeadLetterError::Behind { first: first.id }),
        None => Err(DeadLetterError::NotFound(id)),
    }
}

/// What is parked of the order and topic of `message`, which itself may be gone; the first few hundred. Nothing if it names
/// no order. Read anew after each commit: others may park behind it meanwhile.
///
/// # Errors
/// If the store fails.
pub async fn still_parked(
    inbox: &dyn Inbox,
    group: Group,
    message: &Parked,
) -> Result<Vec<Parked>, StoreError> {
    if message.order.is_none() {
        return Ok(Vec::new());
    }
    inbox.parked_like(group, &ParkedFilter::like(message), None, QUEUE).await
}
