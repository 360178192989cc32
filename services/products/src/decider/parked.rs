//! Replaying and discarding parked messages.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::event::Event;
use holdfast_contract::{OrderId, ReservationId, Topic};
use holdfast_service::operator::{
    DeadLetterError, DeadLetters, Effect, Mode, Outcome, Stuck, queue_of, still_parked,
};
use holdfast_service::telemetry::chain;
use holdfast_storage::{Parked, ParkedId, StoreError};

use super::batch::{Decisions, cause, conclude, decide, prepare, reservation_of};
use super::command::CommandError;
use super::handle::{Decider, Work};
use super::state::State;
use super::{Writer, steps, words};
use crate::domain::Origin;
use crate::store::{CommitError, StockCommit};

#[async_trait]
impl DeadLetters for Decider {
    async fn replay(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        self.ask(|reply| Work::Replay(id, mode, reply)).await
    }

    async fn discard(&self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        self.ask(|reply| Work::Discard(id, mode, reply)).await
    }
}

impl From<CommandError> for DeadLetterError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Overloaded => Self::Overloaded,
            CommandError::Unavailable(why) => StoreError::Unavailable(why).into(),
            CommandError::Inconsistent(why) => StoreError::Inconsistent(why).into(),
            // Nothing here is refused.
            CommandError::Refused(refusal) => StoreError::Inconsistent(refusal.to_string()).into(),
        }
    }
}

/// Messages that were decided and are not committed.
struct Rerun {
    state: State,
    commit: StockCommit,
    decisions: Decisions,
    /// What is parked no more once it is committed.
    done: Vec<(Topic, Option<Bytes>)>,
}

impl Rerun {
    fn of(state: State) -> Self {
        let (commit, decisions) = (StockCommit::default(), Decisions::default());
        Self { state, commit, decisions, done: Vec::new() }
    }

    fn unpark(&mut self, message: &Parked) {
        self.commit.unpark.push(message.id);
        self.done.push((message.record.topic, message.order.clone()));
    }
}

impl Writer {
    pub(super) async fn replay(&mut self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        let queue = queue_of(self.store.as_ref(), PRODUCTS_GROUP, id).await?;
        let Some(first) = queue.first().cloned() else { return Err(DeadLetterError::NotFound(id)) };
        let mut outcome = Outcome::default();
        let mut rerun = Rerun::of(self.state_for(mode).await?);
        self.run_again(&mut rerun, queue, &mut outcome).await?;
        if mode == Mode::DryRun {
            return Ok(outcome);
        }
        self.conclude_rerun(rerun).await.map_err(|error| failed(id, error))?;
        match outcome.stuck {
            Some(Stuck { error, .. }) if outcome.replayed.is_empty() => {
                let attempts = first.attempts.saturating_add(1);
                Err(DeadLetterError::StillPoison { error, attempts })
            }
            Some(_) => Ok(outcome),
            None => Ok(self.follow(&first, outcome).await),
        }
    }

    pub(super) async fn discard(&mut self, id: ParkedId, mode: Mode) -> Result<Outcome, DeadLetterError> {
        let mut queue = queue_of(self.store.as_ref(), PRODUCTS_GROUP, id).await?;
        let first = queue.remove(0);
        let mut rerun = Rerun::of(self.state_for(mode).await?);
        rerun.unpark(&first);
        let effect = self.give_up(&mut rerun, &first).await?;
        let discarded = Some(Effect { effect, message: first.clone() });
        let mut outcome = Outcome { discarded, ..Outcome::default() };
        if mode == Mode::DryRun {
            self.run_again(&mut rerun, queue, &mut outcome).await?;
            return Ok(outcome);
        }
        self.conclude_rerun(rerun).await.map_err(|error| failed(id, error))?;
        Ok(self.follow(&first, outcome).await)
    }

    /// What the decider has at hand, or for a dry run what is stored: what it does to that is thrown away.
    async fn state_for(&mut self, mode: Mode) -> Result<State, StoreError> {
        match mode {
            Mode::Real => self.take_state().await,
            Mode::DryRun => State::load(self.store.as_ref()).await,
        }
    }

    /// Decides that a message is never processed: a request for stock that is not decided yet is rejected.
    async fn give_up(&self, rerun: &mut Rerun, message: &Parked) -> Result<String, StoreError> {
        let record = &message.record;
        let order =
            message.order.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse::<OrderId>().ok());
        let (Topic::InventoryReserve, Some(order)) = (record.topic, order) else {
            return Ok(words::removed(message));
        };
        let reservation = ReservationId::from(order);
        for decision in self.store.decisions(vec![reservation]).await? {
            rerun.decisions.insert(decision.id, decision);
        }
        let prior = rerun.decisions.get(&reservation).cloned();
        let origin = Origin { cause: cause(record), at: self.now() };
        let outcome = rerun.state.desk.give_up(reservation, prior.as_ref(), &origin);
        let Rerun { state, commit, decisions, .. } = rerun;
        conclude(state, decisions, outcome, record.traceparent.as_ref(), commit);
        Ok(words::given_up(order, prior.as_deref()))
    }

    /// Decides messages in order, up to the first that still cannot be read.
    async fn run_again(
        &self,
        rerun: &mut Rerun,
        queue: Vec<Parked>,
        outcome: &mut Outcome,
    ) -> Result<(), StoreError> {
        let at = self.now();
        let mut readable = Vec::new();
        for message in queue {
            match Event::decode(message.record.topic, &message.record.payload) {
                Ok(event) => {
                    rerun.unpark(&message);
                    readable.push((message, event));
                }
                Err(error) => {
                    rerun.commit.attempted.push(message.id);
                    outcome.stuck = Some(Stuck { message, error: chain(&error) });
                    break;
                }
            }
        }
        let events: Vec<_> = readable
            .iter()
            .filter_map(|(message, event)| Some((message.record.clone(), event.clone()?)))
            .collect();
        let Rerun { state, commit, decisions, .. } = rerun;
        let stored = prepare(state, self.store.as_ref(), &events).await?;
        // What was decided before in this run is newer than what is stored.
        for (id, decision) in stored {
            decisions.entry(id).or_insert(decision);
        }
        for (message, event) in readable {
            // From a newer writer: passed over, as it would have been the first time.
            let Some(event) = event else {
                outcome.replayed.push(Effect { message, effect: words::UNKNOWN.to_owned() });
                continue;
            };
            let before = commit.decisions.len();
            decide(state, decisions, &message.record, &event, at, commit)?;
            let decision = reservation_of(&event).and_then(|id| decisions.get(&id));
            let fresh = commit.decisions.len() > before;
            let effect = words::effect(&event, decision.map(|d| &**d), fresh);
            outcome.replayed.push(Effect { message, effect });
        }
        Ok(())
    }

    /// Processes what was parked behind `gone`, up to the first that cannot be.
    async fn follow(&mut self, gone: &Parked, mut outcome: Outcome) -> Outcome {
        while outcome.stuck.is_none() {
            // Read anew: another instance may have parked more of them, or replayed them too.
            let queue = match still_parked(self.store.as_ref(), PRODUCTS_GROUP, gone).await {
                Ok(queue) => queue,
                Err(error) => {
                    tracing::warn!("what is parked behind a message stays for now: {}", chain(&error));
                    return outcome;
                }
            };
            let Some(next) = queue.first().cloned() else { return outcome };
            let mut round = Outcome::default();
            match self.run_queue(queue, &mut round).await {
                Ok(()) => {
                    outcome.replayed.extend(round.replayed);
                    outcome.stuck = round.stuck;
                }
                Err(DeadLetterError::NotFound(_)) => {}
                Err(error) => outcome.stuck = Some(Stuck { message: next, error: chain(&error) }),
            }
        }
        outcome
    }

    async fn run_queue(&mut self, queue: Vec<Parked>, outcome: &mut Outcome) -> Result<(), DeadLetterError> {
        let first = queue.first().map_or(ParkedId(0), |message| message.id);
        let mut rerun = Rerun::of(self.take_state().await?);
        self.run_again(&mut rerun, queue, outcome).await?;
        self.conclude_rerun(rerun).await.map_err(|error| failed(first, error))
    }

    async fn conclude_rerun(&mut self, rerun: Rerun) -> Result<(), CommitError> {
        let Rerun { mut state, mut commit, done, .. } = rerun;
        state.settle(&mut commit, self.now());
        let made: Vec<Arc<_>> = commit.decisions.clone();
        self.commit(commit).await?;
        for (topic, order) in done {
            if let Some(order) = order {
                state.parked.removed(topic, &order);
            }
        }
        state.rest();
        self.state = Some(state);
        for decision in made {
            steps::tell(&self.steps, &decision);
        }
        Ok(())
    }
}

fn failed(id: ParkedId, error: CommitError) -> DeadLetterError {
    match error {
        CommitError::AlreadyUnparked => DeadLetterError::NotFound(id),
        other => StoreError::from(other).into(),
    }
}
