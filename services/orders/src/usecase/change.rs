//! Changing an order: read, decide, commit; and again if somebody else was faster.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::{OrderId, Timestamp};
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

/// Why the order, as it is, is not changed. An answer like any other: with an `Idempotency-Key` it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChangeRefusal {
    /// There is none, it was deleted, or it is not the caller's.
    #[error("there is no such order")]
    NotFound,
    /// Its state does not allow it.
    #[error(transparent)]
    State(#[from] Refusal),
    /// It is not at the version that the client decided on.
    #[error("the order is at version {current}, not {expected}")]
    VersionConflict {
        /// What the client said.
        expected: u64,
        /// What it is.
        current: u64,
    },
}

/// How the answers to a change are written.
pub trait Render: Sync {
    /// The body of a success (status 200).
    fn done(&self, outcome: Outcome<'_>) -> Vec<u8>;
    /// Status and body of a refusal.
    fn refused(&self, refusal: &ChangeRefusal, asked: &Asked) -> (u16, Vec<u8>);
}

/// Why an order was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// As it is, it is not; nothing was stored, for there is no key.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
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

/// What an attempt has come to, before it is committed.
struct Decided {
    commit: Commit,
    before: Arc<Order>,
    after: Arc<Order>,
    view: Bytes,
}

impl UseCases {
    /// Changes an order, durably; `render` writes the answer. With an `Idempotency-Key` a refusal is stored and is an
    /// [`Answer`] too, so that the same request again is refused again, whatever has become of the order.
    ///
    /// # Errors
    /// See [`ChangeError`]. Nothing was stored, except that it may have been after [`StoreError::Unavailable`].
    pub async fn change(
        &self,
        request: ChangeRequest<'_>,
        render: &impl Render,
    ) -> Result<Answer, ChangeError> {
        for _ in 0..ATTEMPTS {
            // Before anything is decided: what the first request did may make the second one look impossible.
            if let Some(once) = &request.asked.once
                && let Some(first) = self.replay(once).await?
            {
                return Ok(first?);
            }
            let at = self.clock.now();
            let (mut commit, status, body, told) = match self.decide(&request, at).await {
                Ok(Decided { commit, before, after, view }) => {
                    let body = render.done(Outcome { before: &before, after: &after, view: &view });
                    (commit, 200, Bytes::from(body), Some((before, after)))
                }
                Err(ChangeError::Refused(refusal)) if request.asked.once.is_some() => {
                    let (status, body) = render.refused(&refusal, request.asked);
                    (Commit::default(), status, Bytes::from(body), None)
                }
                Err(error) => return Err(error),
            };
            commit.idempotency =
                request.asked.once.as_ref().map(|once| once.record(status, body.clone(), at));
            if commit.changes.is_empty() && commit.idempotency.is_none() {
                return Ok(Answer { status, body, replayed: false });
            }
            match self.commit(commit, request.asked).await {
                Ok(_) => {
                    if let Some((before, after)) = told {
                        self.told(&before, &after);
                    }
                    return Ok(Answer { status, body, replayed: false });
                }
                Err(CommitError::VersionConflict(_)) => self.counted.conflicts.increment(1),
                // The next turn finds its answer.
                Err(CommitError::IdempotencyTaken) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(error @ (CommitError::AlreadyExists(_) | CommitError::ParkedGone)) => {
                    return Err(StoreError::Inconsistent(error.to_string()).into());
                }
            }
        }
        Err(ChangeError::Contended)
    }

    async fn decide(&self, request: &ChangeRequest<'_>, at: Timestamp) -> Result<Decided, ChangeError> {
        let &ChangeRequest { id, ref command, expected, asked } = request;
        let before = self.get(id).await?.ok_or(ChangeRefusal::NotFound)?;
        if !asked.caller.may_act_for(before.user_id.as_str()) {
            return Err(ChangeRefusal::NotFound.into());
        }
        if let Some(expected) = expected.filter(|&e| e != before.version) {
            return Err(ChangeRefusal::VersionConflict { expected, current: before.version }.into());
        }
        match domain::decide(&before, command.clone(), at).map_err(ChangeRefusal::from)? {
            Decision::Noop => {
                let view = view::render(&before);
                Ok(Decided { commit: Commit::default(), after: before.clone(), before, view })
            }
            Decision::Changed(changed) => {
                let change = Change::update(&before, changed, asked.cause(), asked.traceparent.clone());
                let (after, view) = (change.order().clone(), change.view());
                Ok(Decided { commit: Commit::of(change), before, after, view })
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
