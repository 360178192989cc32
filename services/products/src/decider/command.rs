//! What is asked of the decider, and what it answers.

use holdfast_contract::canonical::Fingerprint;
use holdfast_contract::text::{Name, Note};
use holdfast_contract::{ProductId, Quantity};
use holdfast_service::http::IdempotencyScope;
use thiserror::Error;

use crate::domain::{OrderRef, ProductDetails, ProductPatch, ProductView, Refusal};
use crate::store::StoredAnswer;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It was refused; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store is away or the service is shutting down. The same call may succeed later; if the store failed while
    /// committing, whether it took effect is unknown until it is made again.
    #[error("not available: {0}")]
    Unavailable(String),
    /// More is queued than can be done in time.
    #[error("more is queued than can be done in time")]
    Overloaded,
    /// What is stored breaks an invariant.
    #[error("the stored data are inconsistent: {0}")]
    Inconsistent(String),
}

/// `POST /:id/reserve` and `POST /:id/release`.
#[derive(Clone, Debug)]
pub struct HttpHold {
    /// Of what.
    pub product: ProductId,
    /// For whom.
    pub order: OrderRef,
    /// How much.
    pub quantity: Quantity,
}

/// The answer to a [`HttpHold`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeld {
    /// Of what.
    pub product: ProductId,
    /// Its name now.
    pub product_name: Name,
    /// Reserved or released.
    pub quantity: u64,
    /// What was available after it. The same call again answers the same.
    pub new_stock: u64,
    /// Whether this call did nothing, because the same one had been made before or nothing was held.
    pub repeated: bool,
}

/// `POST /:id/adjust`.
#[derive(Clone, Debug)]
pub struct Adjust {
    /// Of what.
    pub product: ProductId,
    /// How much more (or less) is on hand.
    pub delta: i64,
    /// Why.
    pub reason: Note,
}

/// `POST /`.
#[derive(Clone, Debug)]
pub struct Create {
    /// A fresh id.
    pub id: ProductId,
    /// What it is.
    pub details: ProductDetails,
    /// How much there is of it.
    pub on_hand: u64,
}

/// `PUT /:id`.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Which.
    pub product: ProductId,
    /// What changes.
    pub patch: ProductPatch,
    /// The version that the caller has seen, if it cares.
    pub if_version: Option<u64>,
}

/// Makes the HTTP answer to a result, to be stored and sent. Called before the commit, so it must not tell anybody.
pub type Render<T> = Box<dyn Fn(&Result<T, Refusal>) -> StoredAnswer + Send + Sync>;

/// A request with an idempotency key, for a call that makes a `T`.
pub struct Idempotent<T = ProductView> {
    /// The key.
    pub scope: IdempotencyScope,
    /// Of its body.
    pub fingerprint: Fingerprint,
    /// Makes the answer.
    pub render: Render<T>,
}

/// What became of a request that may have had an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered<T = ProductView> {
    /// It was done now. `stored` is what its `render` made, if it had a key.
    Fresh {
        /// What was made of it: the product after it, say.
        made: T,
        /// The answer that is stored.
        stored: Option<StoredAnswer>,
    },
    /// A refusal that is stored under the key, rendered. Nothing has changed.
    Refused(StoredAnswer),
    /// It had been done or refused before: this was answered.
    Replayed(StoredAnswer),
}

impl<T> Answered<T> {
    /// What a call without a key has made: only those with one are answered from what is stored.
    pub(super) fn fresh(self) -> Result<T, CommandError> {
        match self {
            Self::Fresh { made, .. } => Ok(made),
            Self::Refused(_) | Self::Replayed(_) => {
                Err(CommandError::Inconsistent("a stored answer to a call without a key".to_owned()))
            }
        }
    }
}
