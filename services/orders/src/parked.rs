//! Answers that were set aside: running them again, or giving them up.

use holdfast_bus::ORDERS_GROUP;
use holdfast_bus::triage::ParkedOrders;
use holdfast_contract::event::{Event, PoisonedPayload};
use holdfast_service::telemetry::chain;
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

/// What became of the messages that were parked behind one that was replayed or discarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many were processed, and are no longer parked.
    pub replayed: usize,
    /// Why the next one could not be: it and those behind it stay parked.
    pub stuck: Option<String>,
}

impl Answers {
    /// Processes a parked answer; it is forgotten in the commit of its effects. Then those that were parked behind it
    /// are processed in the same way, in order, up to the first that cannot be.
    ///
    /// # Errors
    /// See [`ParkedError`]. What becomes of those behind it is no error.
    pub async fn replay(&self, id: ParkedId) -> Result<Followed, ParkedError> {
        let mut known = self.parked.lock().await;
        let (message, behind) = self.first_of_its_order(id).await?;
        self.process(&mut known, &message).await?;
        Ok(self.follow(&mut known, behind).await)
    }

    /// Gives a parked answer up. The order goes on waiting, its request is sent again, and Products repeats the answer.
    /// Those that were parked behind it are replayed as by [`Answers::replay`].
    ///
    /// # Errors
    /// See [`ParkedError`]. What becomes of those behind it is no error.
    pub async fn discard(&self, id: ParkedId) -> Result<Followed, ParkedError> {
        let mut known = self.parked.lock().await;
        let (message, behind) = self.first_of_its_order(id).await?;
        let commit = Commit { unpark: Some(id), ..Commit::default() };
        self.store.commit(commit).await.map_err(|error| failed(id, error))?;
        forget(&mut known, &message);
        Ok(self.follow(&mut known, behind).await)
    }

    async fn follow(&self, known: &mut Option<ParkedOrders>, behind: Vec<Parked>) -> Followed {
        let mut followed = Followed::default();
        for message in behind {
            if let Err(error) = self.process(known, &message).await {
                followed.stuck = Some(chain(&error));
                break;
            }
            followed.replayed += 1;
        }
        followed
    }

    /// Takes in one message that nothing is parked before.
    async fn process(&self, known: &mut Option<ParkedOrders>, message: &Parked) -> Result<(), ParkedError> {
        let event =
            Event::decode(message.record.topic, &message.record.payload).map_err(ParkedError::Poison)?;
        // An event type that this build does not know is passed over, as it would be on the bus.
        let events: Vec<_> = event.into_iter().map(|event| (message.record.clone(), event)).collect();
        for _ in 0..ATTEMPTS {
            let mut decided = self.decide(&events).await?;
            let changes = std::mem::take(&mut decided.changes);
            match self.store.commit(Commit { changes, unpark: Some(message.id), ..Commit::default() }).await {
                Ok(_) => {
                    forget(known, message);
                    self.told(&decided);
                    return Ok(());
                }
                Err(CommitError::VersionConflict(_)) => {}
                Err(error) => return Err(failed(message.id, error)),
            }
        }
        Err(StoreError::Unavailable("the order keeps changing".to_owned()).into())
    }

    /// The message, if none of its order and topic is parked before it, and those that are parked behind it.
    async fn first_of_its_order(&self, id: ParkedId) -> Result<(Parked, Vec<Parked>), ParkedError> {
        let mut earlier: Vec<Parked> = Vec::new();
        let mut found: Option<(Parked, Vec<Parked>)> = None;
        let mut after = None;
        loop {
            let page = self.inbox.parked(ORDERS_GROUP, after, 500).await?;
            let Some(last) = page.last() else { return found.ok_or(ParkedError::Gone(id)) };
            after = Some(last.id);
            for message in page {
                match &mut found {
                    Some((first, behind)) => {
                        if same_order(first, &message) {
                            behind.push(message);
                        }
                    }
                    None if message.id == id => {
                        if let Some(first) = earlier.iter().find(|e| same_order(e, &message)) {
                            return Err(ParkedError::Behind(first.id));
                        }
                        found = Some((message, Vec::new()));
                    }
                    None => earlier.push(message),
                }
            }
        }
    }
}

/// Whether two messages are of one order and topic, so that one waits for the other.
fn same_order(one: &Parked, other: &Parked) -> bool {
    one.order.is_some() && one.order == other.order && one.record.topic == other.record.topic
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
