//! Whose turn it is to decide: a lease, and notes of who waits for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_products::store::{Turn, Turns as TakeTurns};
use holdfast_storage::StoreError;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::MemoryProducts;

// As with MongoDB.
/// How long a turn outlives its holder's last commit.
const TURN_LASTS: Duration = Duration::from_secs(4);
/// How long a turn that was passed on waits for its new holder.
const TURN_PASSED: Duration = Duration::from_secs(2);
/// How long the turn is waited for: longer than a dead holder keeps it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a note says that its owner waits; renewed while that is so.
const NOTED: Duration = Duration::from_secs(1);

/// Instances are named by their handle's number.
#[derive(Default)]
pub(super) struct Turns {
    holder: u64,
    number: i64,
    /// `None`: it was ended, or never held.
    until: Option<Instant>,
    /// Who waits, longest first.
    notes: VecDeque<Note>,
    changed: Arc<Notify>,
}

struct Note {
    by: u64,
    until: Instant,
}

impl Turns {
    pub(super) fn is_held(&self, by: u64, turn: Turn) -> bool {
        self.holder == by && self.number == turn.number
    }

    /// Makes the turn last longer, for it is used.
    pub(super) fn keep(&mut self, by: u64, now: Instant) {
        if self.holder == by {
            self.until = Some(now + TURN_LASTS);
        }
    }

    /// Whoever holds it, or held it last, may take it again with the same number; `None` before anybody did.
    pub(super) fn holder(&self) -> Option<(u64, i64)> {
        (self.holder != 0).then_some((self.holder, self.number))
    }

    /// The turn; or when it is worth looking again.
    fn take(&mut self, by: u64, now: Instant) -> Result<Turn, Instant> {
        self.notes.retain(|note| note.until > now || note.by == by);
        let held = self.until.filter(|until| *until > now);
        let first = self.notes.front().is_none_or(|note| note.by == by);
        let mine = self.holder == by && held.is_some();
        if !mine && (held.is_some() || !first) {
            return Err(self.wait(by, now, held));
        }
        self.forget(by);
        if self.holder != by {
            self.holder = by;
            self.number += 1;
        }
        self.until = Some(now + TURN_LASTS);
        Ok(Turn { number: self.number, lasts: Some(TURN_LASTS) })
    }

    /// Notes that somebody waits; says when to look again.
    fn wait(&mut self, by: u64, now: Instant, held: Option<Instant>) -> Instant {
        let until = now + NOTED;
        match self.notes.iter_mut().find(|note| note.by == by) {
            Some(note) => note.until = until,
            None => self.notes.push_back(Note { by, until }),
        }
        let before = self.notes.iter().take_while(|note| note.by != by).map(|note| note.until);
        before.chain(held).fold(now + NOTED / 2, Instant::min)
    }

    fn forget(&mut self, by: u64) {
        self.notes.retain(|note| note.by != by);
    }

    fn pass(&mut self, by: u64, turn: Turn, now: Instant) -> bool {
        self.notes.retain(|note| note.until > now);
        let Some(place) = self.notes.iter().position(|note| note.by != by) else { return false };
        if self.is_held(by, turn)
            && let Some(next) = self.notes.remove(place)
        {
            self.holder = next.by;
            self.number += 1;
            self.until = Some(now + TURN_PASSED);
            self.changed.notify_waiters();
        }
        true
    }

    fn end(&mut self, by: u64) {
        if self.holder == by {
            self.until = None;
            self.changed.notify_waiters();
        }
    }
}

#[async_trait]
impl TakeTurns for MemoryProducts {
    async fn take_turn(&self) -> Result<Turn, StoreError> {
        if !self.options().shared {
            return self.inspect(|_| Turn::ALWAYS);
        }
        let changed = self.inspect(|state| state.body.turns.changed.clone())?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            // Before the look: what changes after it is not missed.
            let changes = changed.notified();
            let now = Instant::now();
            let look_at = match self.tend(|state| state.body.turns.take(self.number(), now))? {
                Ok(turn) => return Ok(turn),
                Err(look_at) => look_at.min(give_up),
            };
            if now >= give_up {
                self.tend(|state| state.body.turns.forget(self.number()))?;
                let why = "another instance decides, and does not pass the turn on";
                return Err(StoreError::Unavailable(why.to_owned()));
            }
            // Whether it changed or it is time: it is looked at again.
            let _ = timeout_at(look_at, changes).await;
        }
    }

    async fn pass_turn(&self, turn: Turn) -> Result<bool, StoreError> {
        let now = Instant::now();
        self.tend(|state| state.body.turns.pass(self.number(), turn, now))
    }

    async fn end_turn(&self, _turn: Turn) -> Result<(), StoreError> {
        self.tend(|state| state.body.turns.end(self.number()))
    }
}
