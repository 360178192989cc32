//! Answers that were set aside: running them again, or giving them up.

use holdfast_bus::ORDERS_GROUP;
use holdfast_bus::triage::ParkedOrders;
use holdfast_contract::event::{Event, PoisonedPayload};
use holdfast_storage::{Parked, ParkedId, StoreError};
use thiserror::Error;

use crate::consumer::Answers;
use crate::store::{Commit, CommitError};

/// How often a replay is decided anew because its order changed under it.
const ATTEMPTS: usize = 32;

/// Why a parked message was not replayed or discarded. It stays parked.
#[derive(Debug, Error)]
pub enum ParkedError {
    /// There is none with this id; somebody else may have been faster.
    #[error("there is no parked message {0:?}")]
    Gone(ParkedId),
    /// An earlier message of the same order in the same topic is parked: it comes first.
    #[error("parked message {0:?} comes first")]
    Behind(ParkedId),
    /// It still cannot be processed.
    #[error("the message still cannot be processed")]
    Poison(#[source] PoisonedPayload),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Answers {
    /// Processes a parked answer; it is forgotten in the commit of its effects.
    ///
    /// # Errors
    /// See [`ParkedError`].
    pub async fn replay(&self, id: ParkedId) -> Result<(), ParkedError> {
        let mut known = self.parked.lock().await;
        let message = self.first_of_its_order(id).await?;
        let event = Event::decode(message.record.topic, &message.record.payload).map_err(ParkedError::Poison)?;
        // An event type that this build does not know is passed over, as it would be on the bus.
        let events: Vec<_> = event.into_iter().map(|event| (message.record.clone(), event)).collect();
        for _ in 0..ATTEMPTS {
            let mut decided = self.decide(&events).await?;
            let changes = std::mem::take(&mut decided.changes);
            match self.store.commit(Commit { changes, unpark: Some(id), ..Commit::default() }).await {
                Ok(_) => {
                    forget(&mut known, &message);
                    self.told(&decided);
                    return Ok(());
                }
                Err(CommitError::VersionConflict(_)) => {}
                Err(error) => return Err(failed(id, error)),
            }
        }
        Err(StoreError::Unavailable("the order keeps changing".to_owned()).into())
    }

    /// Gives a parked answer up. The order goes on waiting, its request is sent again, and Products repeats the answer.
    ///
    /// # Errors
    /// See [`ParkedError`].
    pub async fn discard(&self, id: ParkedId) -> Result<(), ParkedError> {
        let mut known = self.parked.lock().await;
        let message = self.first_of_its_order(id).await?;
        let commit = Commit { unpark: Some(id), ..Commit::default() };
        self.store.commit(commit).await.map_err(|error| failed(id, error))?;
        forget(&mut known, &message);
        Ok(())
    }

    /// The message, if none of its order and topic is parked before it.
    async fn first_of_its_order(&self, id: ParkedId) -> Result<Parked, ParkedError> {
        let mut earlier: Vec<Parked> = Vec::new();
        let mut after = None;
        loop {
            let page = self.inbox.parked(ORDERS_GROUP, after, 500).await?;
            let Some(last) = page.last() else { return Err(ParkedError::Gone(id)) };
            after = Some(last.id);
            for message in page {
                if message.id == id {
                    let first = earlier.iter().find(|e| {
                        e.order.is_some()
                            && e.order == message.order
                            && e.record.topic == message.record.topic
                    });
                    return first.map_or(Ok(message), |first| Err(ParkedError::Behind(first.id)));
                }
                earlier.push(message);
            }
        }
    }
}

fn forget(known: &mut Option<ParkedOrders>, message: &Parked) {
    if let (Some(known), Some(order)) = (known, &message.order) {
        known.removed(message.record.topic, order);
    }
}

fn failed(id: ParkedId, error: CommitError) -> ParkedError {
    match error {
        CommitError::ParkedGone => ParkedError::Gone(id),
        CommitError::Store(error) => error.into(),
        other => StoreError::Inconsistent(other.to_string()).into(),
    }
}
