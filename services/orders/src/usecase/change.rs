//! Changing an order: read, decide, commit; and again if somebody else was faster.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::OrderId;
use holdfast_storage::StoreError;
use thiserror::Error;

use super::once::KeyReused;
use super::{Answer, Asked, UseCases};
use crate::domain::{self, Command, Decision, Order, Refusal, view};
use crate::store::{Change, Commit, CommitError};

/// How often a change is decided anew because the order changed under it. Each loss means that somebody else's change
/// was taken, so this many in a row is a hot order, not bad luck.
const ATTEMPTS: usize = 16;

/// What somebody wants changed.
pub struct ChangeRequest<'a> {
    /// Which order.
    pub id: OrderId,
    /// What.
    pub command: Command,
    /// The version that the client decided on, if it said so; then nothing is decided anew.
    pub expected: Option<u64>,
    /// Who asks.
    pub asked: &'a Asked,
}

/// What a change came to, for the answer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The order before.
    pub before: &'a Order,
    /// The order after; the same if nothing had to change.
    pub after: &'a Order,
    /// The API's JSON of it.
    pub view: &'a [u8],
}

impl Outcome<'_> {
    /// Whether the order was so already.
    pub fn is_noop(&self) -> bool {
        self.before.version == self.after.version
    }
}

/// Why an order was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// There is none, it was deleted, or it is not the caller's.
    #[error("there is no such order")]
    NotFound,
    /// Its state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not at the version that the client decided on.
    #[error("the order is at version {current}, not {expected}")]
    VersionConflict {
        /// What the client said.
        expected: u64,
        /// What it is.
        current: u64,
    },
    /// The `Idempotency-Key` was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// It changes faster than this change could be decided.
    #[error("the order keeps changing")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UseCases {
    /// Changes an order, durably; `render` writes the answer (status 200).
    ///
    /// # Errors
    /// See [`ChangeError`]. Nothing was stored, except that it may have been after [`StoreError::Unavailable`].
    pub async fn change(
        &self,
        request: ChangeRequest<'_>,
        render: impl Fn(Outcome<'_>) -> Vec<u8>,
    ) -> Result<Answer, ChangeError> {
        for _ in 0..ATTEMPTS {
            // Before anything is decided: what the first request did may make the second one look impossible.
            if let Some(first) = self.first_answer(request.asked).await? {
                return Ok(first);
            }
            match self.attempt(&request, &render).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error @ ChangeError::Store(_)) => return Err(error),
                // The first request may have been committed after the look at its key, and be the reason: its connection
                // broke, say, and its commit was still on the way. Its answer is there with its effect.
                Err(refusal) => return self.first_answer(request.asked).await?.ok_or(refusal),
            }
        }
        Err(ChangeError::Contended)
    }

    /// The answer of the first request with the same key, if there was one.
    async fn first_answer(&self, asked: &Asked) -> Result<Option<Answer>, ChangeError> {
        match &asked.once {
            Some(once) => Ok(self.replay(once).await?.transpose()?),
            None => Ok(None),
        }
    }

    /// Decides on the newest state. `None`: somebody else was faster.
    async fn attempt(
        &self,
        request: &ChangeRequest<'_>,
        render: &impl Fn(Outcome<'_>) -> Vec<u8>,
    ) -> Result<Option<Answer>, ChangeError> {
        let ChangeRequest { id, command, expected, asked } = request;
        let before = self.get(*id).await?.ok_or(ChangeError::NotFound)?;
        if !asked.caller.may_act_for(before.user_id.as_str()) {
            return Err(ChangeError::NotFound);
        }
        if let Some(expected) = expected.filter(|&e| e != before.version) {
            return Err(ChangeError::VersionConflict { expected, current: before.version });
        }
        let at = self.clock.now();
        let mut commit = Commit::default();
        let (after, view) = match domain::decide(&before, command.clone(), at)? {
            Decision::Noop => (before.clone(), view::render(&before)),
            Decision::Changed(changed) => {
                let change = Change::update(&before, changed, asked.cause(), asked.traceparent.clone());
                let now = (change.order().clone(), change.view());
                commit.changes.push(change);
                now
            }
        };
        let body = Bytes::from(render(Outcome { before: &before, after: &after, view: &view }));
        commit.idempotency = asked.once.as_ref().map(|once| once.record(200, body.clone(), at));
        let answer = Answer { status: 200, body, replayed: false };
        if commit.changes.is_empty() && commit.idempotency.is_none() {
            return Ok(Some(answer));
        }
        match self.store.commit(commit).await {
            Ok(_) => {
                self.told(&before, &after);
                Ok(Some(answer))
            }
            Err(CommitError::VersionConflict(_)) => {
                self.counted.conflicts.increment(1);
                Ok(None)
            }
            // The next turn finds its answer.
            Err(CommitError::IdempotencyTaken) => Ok(None),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(error @ (CommitError::AlreadyExists(_) | CommitError::ParkedGone)) => {
                Err(StoreError::Inconsistent(error.to_string()).into())
            }
        }
    }

    fn told(&self, before: &Order, after: &Arc<Order>) {
        if before.version == after.version {
            return;
        }
        let (from, to) = (before.status(), after.status());
        if from != to {
            metrics::counter!("orders_status_changed_total", "to" => to.name()).increment(1);
        }
        self.steps.say(|| {
            let number = after.number();
            let what = match after.cancel_reason() {
                Some(reason) if from != to => format!("cancelled: {reason}"),
                _ if from != to => format!("is {} (was {})", to.label(), from.label()),
                _ if after.hidden => "deleted".to_owned(),
                _ => "edited".to_owned(),
            };
            let deleted = if after.hidden && from != to { " and deleted" } else { "" };
            format!("Order {number} {what}{deleted}")
        });
    }
}
