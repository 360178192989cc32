//! This instance's turn: what keeps its memory from being made old by other instances (ADR 0009).

use std::time::Duration;

use holdfast_storage::StoreError;
use tokio::time::Instant;

use super::Writer;
use crate::store::{CommitError, StockCommit, Turn};

/// How long a holder with work to do keeps the turn before it looks whether somebody waits.
const SLICE: Duration = Duration::from_millis(100);
/// How often one with nothing to do looks.
const IDLE_LOOK: Duration = Duration::from_millis(25);
/// How long one with nothing to do keeps it.
const IDLE: Duration = Duration::from_secs(1);

/// Whether it is this decider's turn.
#[derive(Default)]
pub(super) struct Holding {
    held: Option<Held>,
    /// Of the newest turn: with the same number again, what is at hand is still true.
    last: Option<i64>,
}

struct Held {
    turn: Turn,
    /// Until then it is surely held. `None`: for ever.
    until: Option<Instant>,
    /// When it is to be looked whether somebody waits, if there may be somebody.
    look_at: Instant,
    used_at: Instant,
}

/// Waits until then; for ever if never.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Half of the time: the other half is for a commit that is under way.
fn until(turn: Turn) -> Option<Instant> {
    turn.lasts.map(|lasts| Instant::now() + lasts / 2)
}

impl Writer {
    /// Makes sure that it is this decider's turn. Call it before each piece of work, when nothing is pending.
    ///
    /// # Errors
    /// If the turn cannot be had: nothing may be decided.
    pub(super) async fn hold_turn(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if let Some(held) = &mut self.turn.held {
            held.used_at = now;
            let Some(until) = held.until else { return Ok(()) };
            if now < until && now < held.look_at {
                return Ok(());
            }
            if now < until {
                held.look_at = now + SLICE;
                let passed = self.store.pass_turn(held.turn).await;
                if matches!(passed, Ok(false)) {
                    return Ok(());
                }
                self.turn.held = None;
                passed?;
            }
        }
        let turn = self.store.take_turn().await?;
        if self.turn.last != Some(turn.number) {
            // Somebody else has decided since.
            self.state = None;
            metrics::counter!("products_turns_total").increment(1);
        }
        let now = Instant::now();
        self.turn.last = Some(turn.number);
        self.turn.held = Some(Held { turn, until: until(turn), look_at: now + SLICE, used_at: now });
        Ok(())
    }

    /// Commits what was decided in this turn.
    ///
    /// # Errors
    /// As the store's: what is at hand must be dropped.
    pub(super) async fn commit(&mut self, mut commit: StockCommit) -> Result<(), CommitError> {
        let turn = self.turn.held.as_ref().map(|held| held.turn);
        let until = turn.and_then(until);
        commit.turn = turn;
        let touches = !commit.is_empty();
        let done = self.store.commit(commit).await;
        match &done {
            Ok(()) if touches => {
                if let Some(held) = &mut self.turn.held {
                    held.until = until;
                }
            }
            Ok(()) => {}
            // It may have taken effect all the same. The turn is taken again, so that what is read then shows it.
            Err(_) => self.turn.held = None,
        }
        done
    }

    /// When [`Writer::rest`] is due.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let held = self.turn.held.as_ref().filter(|held| held.until.is_some())?;
        Some(held.look_at.min(Instant::now() + IDLE_LOOK))
    }

    /// With nothing to do: passes the turn on if somebody waits, or ends it if that has been so for a while.
    pub(super) async fn rest(&mut self) {
        let Some(held) = &mut self.turn.held else { return };
        held.look_at = Instant::now() + SLICE;
        let passed = if held.used_at.elapsed() < IDLE {
            self.store.pass_turn(held.turn).await
        } else {
            self.store.end_turn(held.turn).await.map(|()| true)
        };
        match passed {
            Ok(false) => {}
            Ok(true) => self.turn.held = None,
            Err(error) => {
                tracing::debug!(%error, "the turn could not be passed on; it ends by itself");
                self.turn.held = None;
            }
        }
    }

    /// Ends the turn, for there will be no more work.
    pub(super) async fn end_turn(&mut self) {
        if let Some(Held { turn, .. }) = self.turn.held.take()
            && let Err(error) = self.store.end_turn(turn).await
        {
            tracing::debug!(%error, "the turn could not be ended; it ends by itself");
        }
    }
}
