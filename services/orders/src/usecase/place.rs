//! Taking an order: the hot path.

use bytes::Bytes;
use holdfast_contract::OrderId;
use holdfast_service::http::Role;
use holdfast_storage::StoreError;
use thiserror::Error;

use super::once::KeyReused;
use super::open_orders::TooManyOpen;
use super::{Answer, Asked, UseCases};
use crate::domain::{self, Draft, Order, PlaceRefusal};
use crate::store::{Change, Commit, CommitError};

/// Why an order was not taken.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// Its parts do not fit together.
    #[error(transparent)]
    Refused(#[from] PlaceRefusal),
    /// The `Idempotency-Key` was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The customer has too many that are open.
    #[error(transparent)]
    TooManyOpen(#[from] TooManyOpen),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UseCases {
    /// Takes an order, durably; `render` writes the answer around the order's JSON.
    ///
    /// No look-up comes before the commit: whether the `Idempotency-Key` is taken, the commit itself finds out. Only of a
    /// customer the open orders are counted first, if they are limited.
    ///
    /// # Errors
    /// See [`PlaceError`]. Nothing was stored, except that it may have been after [`StoreError::Unavailable`].
    pub async fn place(
        &self,
        draft: Draft,
        asked: &Asked,
        status: u16,
        render: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<Answer, PlaceError> {
        let _placing = if asked.caller.role() == Role::Customer {
            match self.open_orders.admit(&*self.store, &draft.user_id).await? {
                Ok(placing) => placing,
                Err(too_many) => return self.answered_before(asked).await?.ok_or(too_many.into()),
            }
        } else {
            None
        };
        let at = self.clock.now();
        let placed = domain::place(draft, OrderId::new(self.keys.next()), at)?;
        let change = Change::insert(placed, asked.cause(), asked.traceparent.clone());
        let order = change.order().clone();
        let body = Bytes::from(render(&change.view()));
        let mut commit = Commit::of(change);
        commit.idempotency = asked.once.as_ref().map(|once| once.record(status, body.clone(), at));
        match self.commit(commit, asked).await {
            Ok(_) => {
                self.counted.created.increment(1);
                self.steps.say(|| told(&order));
                Ok(Answer { status, body, replayed: false })
            }
            Err(CommitError::IdempotencyTaken) => {
                // Its answer was just forgotten, a day after: rare enough to have the client ask again.
                let gone = || StoreError::Unavailable("the key's answer is gone".to_owned()).into();
                self.answered_before(asked).await?.ok_or_else(gone)
            }
            Err(CommitError::Store(error)) => Err(error.into()),
            // Another instance made the same key in the same millisecond. Nothing was stored; a retry gets another key.
            Err(error) => Err(StoreError::Unavailable(error.to_string()).into()),
        }
    }

    /// The answer that the request's key was given before.
    async fn answered_before(&self, asked: &Asked) -> Result<Option<Answer>, PlaceError> {
        let Some(once) = &asked.once else { return Ok(None) };
        Ok(self.replay(once).await?.transpose()?)
    }
}

fn told(order: &Order) -> String {
    let lines = match &*order.items {
        [one] => format!("{} × {}", one.quantity, one.product_name),
        many => format!("{} lines", many.len()),
    };
    format!(
        "✅ Order created: {} ({lines}, {}); asked for its stock on 'inventory.reserve'",
        order.number(),
        order.total
    )
}
