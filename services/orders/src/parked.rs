//! Answers that were set aside: running them again, or giving them up.

use async_trait::async_trait;
use holdfast_bus::ORDERS_GROUP;
use holdfast_contract::event::Event;
use holdfast_contract::{OrderStatus, Topic};
use holdfast_service::operator::{
    DeadLetterError, DeadLetters, Effect, Mode, Outcome, Stuck, queue_of, still_parked,
};
use holdfast_service::telemetry::chain;
use holdfast_storage::{Parked, ParkedId, StoreError};

use crate::consumer::{Answers, Taken};
use crate::domain::{Order, Stock};
use crate::store::{Commit, CommitError};

/// How often a replay is decided anew because its order changed under it.
const ATTEMPTS: usize = 32;

#[async_trait]
impl DeadLetters for Answers {
    async fn replay(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        let _turn = self.turn.lock().await;
        let queue = queue_of(&*self.inbox, ORDERS_GROUP, id).await?;
        if mode == Mode::DryRun {
            return self.rehearse(None, queue).await;
        }
        let Some(first) = queue.into_iter().next() else { return Err(DeadLetterError::NotFound(id)) };
        let mut outcome = Outcome::default();
        outcome.replayed.push(self.process(&first).await?);
        Ok(self.follow(&first, outcome).await)
    }

    /// The order goes on waiting, its request is sent again, and Products repeats the answer.
    async fn discard(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        let _turn = self.turn.lock().await;
        let mut queue = queue_of(&*self.inbox, ORDERS_GROUP, id).await?;
        let first = queue.remove(0);
        let discarded = Effect { effect: given_up(&first), message: first.clone() };
        if mode == Mode::DryRun {
            return self.rehearse(Some(discarded), queue).await;
        }
        let commit = Commit { unpark: Some(id), ..Commit::default() };
        self.store.commit(commit).await.map_err(|error| failed(id, error))?;
        Ok(self.follow(&first, Outcome { discarded: Some(discarded), ..Outcome::default() }).await)
    }
}

impl Answers {
    /// Processes what was parked behind `gone`, up to the first that cannot be.
    async fn follow(&self, gone: &Parked, mut outcome: Outcome) -> Outcome {
        loop {
            // One at a time, and read anew: another instance may park more of them, or replay them too.
            let next = match still_parked(&*self.inbox, ORDERS_GROUP, gone).await {
                Ok(queue) => queue.into_iter().next(),
                Err(error) => {
                    tracing::warn!("what is parked behind a message stays for now: {}", chain(&error));
                    None
                }
            };
            let Some(message) = next else { return outcome };
            match self.process(&message).await {
                Ok(effect) => outcome.replayed.push(effect),
                Err(DeadLetterError::NotFound(_)) => {}
                Err(error) => {
                    let error = match error {
                        DeadLetterError::StillPoison { error, .. } => error,
                        other => chain(&other),
                    };
                    outcome.stuck = Some(Stuck { message, error });
                    return outcome;
                }
            }
        }
    }

    /// Takes in one message that nothing is parked before.
    async fn process(&self, message: &Parked) -> Result<Effect, DeadLetterError> {
        let events = match Event::decode(message.record.topic, &message.record.payload) {
            // An event type that this build does not know is passed over, as it would be on the bus.
            Ok(event) => event.map(|event| (message.record.clone(), event)),
            Err(error) => {
                let commit = Commit { attempted: vec![message.id], ..Commit::default() };
                self.store.commit(commit).await.map_err(|error| failed(message.id, error))?;
                let attempts = message.attempts.saturating_add(1);
                return Err(DeadLetterError::StillPoison { error: chain(&error), attempts });
            }
        };
        for _ in 0..ATTEMPTS {
            let mut decided = self.decide(events.as_slice()).await?;
            let changes = std::mem::take(&mut decided.changes);
            match self.store.commit(Commit { changes, unpark: Some(message.id), ..Commit::default() }).await {
                Ok(_) => {
                    self.told(&decided);
                    let effect = words(decided.taken.first());
                    return Ok(Effect { message: message.clone(), effect });
                }
                Err(CommitError::VersionConflict(_)) => {}
                Err(error) => return Err(failed(message.id, error)),
            }
        }
        Err(StoreError::Unavailable("the order keeps changing".to_owned()).into())
    }

    /// What [`Answers::follow`] would do with `queue`, and what was decided before it.
    async fn rehearse(
        &self,
        discarded: Option<Effect>,
        queue: Vec<Parked>,
    ) -> Result<Outcome, DeadLetterError> {
        let mut outcome = Outcome { discarded, ..Outcome::default() };
        let mut events = Vec::new();
        let mut readable = Vec::new();
        for message in queue {
            match Event::decode(message.record.topic, &message.record.payload) {
                Ok(event) => {
                    readable.push((message.clone(), event.is_some()));
                    events.extend(event.map(|event| (message.record.clone(), event)));
                }
                Err(error) => {
                    outcome.stuck = Some(Stuck { message, error: chain(&error) });
                    break;
                }
            }
        }
        // All at once: each is decided on what the ones before it leave.
        let decided = self.decide(&events).await?;
        let mut taken = decided.taken.iter();
        for (message, known) in readable {
            let effect = words(if known { taken.next() } else { None });
            outcome.replayed.push(Effect { message, effect });
        }
        Ok(outcome)
    }
}

/// What becomes of an event, for people; `None`: its type is not known here.
fn words(taken: Option<&Taken>) -> String {
    match taken {
        None => "an event type that this version does not know: passed over".to_owned(),
        Some(Taken::NoAnswer) => "no answer to an order: passed over".to_owned(),
        Some(Taken::NoOrder(id)) => format!("there is no order {id} here: passed over"),
        Some(Taken::Known(order)) => {
            format!("order {}: stock is {} already, nothing changes", order.number(), order.stock.status())
        }
        Some(Taken::Late { order, .. }) => {
            format!("order {}: too late to change anything, noted in its timeline", order.number())
        }
        Some(Taken::Moved { before, after }) => moved(before, after),
    }
}

fn moved(before: &Order, after: &Order) -> String {
    let number = after.number();
    match &after.stock {
        Stock::Rejected { reason, .. } if after.status() == OrderStatus::Cancelled => {
            format!("order {number}: cancelled, {}", reason.as_str())
        }
        stock => format!("order {number}: stock {} (was {})", stock.status(), before.stock.status()),
    }
}

fn given_up(message: &Parked) -> String {
    let waits = message.order.is_some() && Topic::TO_ORDERS.contains(&message.record.topic);
    if waits {
        "removed; if the order still waits for this answer, it asks again and Products repeats it".to_owned()
    } else {
        "removed; nothing else changes".to_owned()
    }
}

fn failed(id: ParkedId, error: CommitError) -> DeadLetterError {
    match error {
        CommitError::ParkedGone => DeadLetterError::NotFound(id),
        CommitError::Store(error) => error.into(),
        other => StoreError::Inconsistent(other.to_string()).into(),
    }
}
