//! Calls that share a commit.

use holdfast_contract::ProductId;
use holdfast_contract::canonical::Fingerprint;
use holdfast_service::http::IdempotencyScope;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Writer;
use super::command::CommandError;
use super::handle::Reply;
use super::steps::Line;
use crate::domain::{HttpState, OrderRef, Sku};
use crate::store::{CommitError, StockCommit, StoredAnswer};

type Answer = Box<dyn FnOnce(Option<&CommandError>) + Send + Sync>;

/// What was decided for calls and is not committed yet, and who waits for it.
#[derive(Default)]
pub(super) struct Pending {
    /// Without what the desk has changed: that is taken when it is committed.
    pub(super) commit: StockCommit,
    pub(super) http: FxHashMap<(OrderRef, ProductId), HttpState>,
    pub(super) answers: FxHashMap<IdempotencyScope, (Fingerprint, StoredAnswer)>,
    pub(super) lines: Vec<Line>,
    /// Those that a product gets or loses by what is pending.
    pub(super) skus: FxHashSet<Sku>,
    replies: Vec<Answer>,
}

impl Pending {
    /// Answers with `result` once what it rests on is durable. A call that failed by itself fails alone.
    pub(super) fn answer<T: Send + Sync + 'static>(
        &mut self,
        reply: Reply<T>,
        result: Result<T, CommandError>,
    ) {
        self.replies.push(Box::new(move |failure| {
            let result = match failure {
                Some(failure) => Err(failure.clone()),
                None => result,
            };
            // Whoever asked may have gone away; the effect is durable all the same.
            let _ = reply.send(result);
        }));
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    fn end(&mut self, failure: Option<&CommandError>) {
        for reply in std::mem::take(self).replies {
            reply(failure);
        }
    }
}

impl Writer {
    /// Commits what is pending and answers. Says whether it took effect.
    pub(super) async fn flush(&mut self, pending: &mut Pending) -> bool {
        let mut commit = std::mem::take(&mut pending.commit);
        if let Some(state) = &mut self.state {
            state.settle(&mut commit, self.clock.now());
        }
        match self.commit(commit).await {
            Ok(()) => {
                for line in &pending.lines {
                    self.steps.say(|| line.to_string());
                }
                if let Some(state) = &mut self.state {
                    state.rest();
                }
                pending.end(None);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "calls could not be committed; reading the stock again");
                self.state = None;
                pending.end(Some(&match error {
                    CommitError::Store(error) => error.into(),
                    other => CommandError::Unavailable(other.to_string()),
                }));
                false
            }
        }
    }

    /// What is at hand does not fit what is stored: nothing that rests on it takes effect.
    pub(super) fn abandon(&mut self, pending: &mut Pending, why: String) -> CommandError {
        tracing::error!(why, "the stored stock is inconsistent");
        self.state = None;
        let error = CommandError::Inconsistent(why);
        pending.end(Some(&error));
        error
    }
}
