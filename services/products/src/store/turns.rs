//! Whose turn it is to decide (ADR 0009).

use std::time::Duration;

use async_trait::async_trait;
use holdfast_storage::StoreError;

/// A turn to decide, as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Grows whenever another instance has the turn: with the same number as before, nobody else has decided in between.
    pub number: i64,
    /// How long it lasts at least from when it was taken, and again from each commit; `None` for ever, for there is nobody
    /// else.
    pub lasts: Option<Duration>,
}

impl Turn {
    /// Of a database that has one instance only.
    pub const ALWAYS: Self = Self { number: 0, lasts: None };
}

/// The instances of the service on one database take turns to decide, so that what one of them has at hand is not made old
/// by the others all the time. A store is one instance's.
///
/// # Specification
/// - While a turn lasts, nobody else MUST get it, unless its holder passes it on or ends it. The last of [`Turn::lasts`]
///   counts from the last commit with it, and MUST end by itself, so that a holder that is gone does not keep it.
/// - A commit with a turn that somebody else has taken MUST fail ([`crate::store::CommitError::TurnLost`]): who was stalled
///   may believe to hold it.
/// - A holder that takes the turn again, perhaps after it has ended it, MUST get the same number if nobody else had it in
///   between, and another one if somebody had.
/// - What is read after the turn was taken MUST show every commit that was made before.
/// - Whoever waits MUST get it before those who began to wait later, as far as their notes are in order.
#[async_trait]
pub trait Turns: Send + Sync {
    /// Takes the turn, or makes one's own last longer. Waits while somebody else has it, but not for ever.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also if it took too long.
    async fn take_turn(&self) -> Result<Turn, StoreError>;

    /// Passes the turn to whoever has waited for it longest. Says whether somebody waits: if so, it is held no longer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then it may be held or not.
    async fn pass_turn(&self, turn: Turn) -> Result<bool, StoreError>;

    /// Ends the turn: anybody may take it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then it ends by itself.
    async fn end_turn(&self, turn: Turn) -> Result<(), StoreError>;
}
