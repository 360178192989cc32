//! Replaying and discarding parked messages.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::event::Event;
use holdfast_contract::{OrderId, ReservationId, Topic};
use holdfast_storage::{Parked, ParkedId, StoreError};

use super::Writer;
use super::batch::{Decisions, cause, conclude, decide, prepare};
use super::command::{CommandError, ParkedError, Replayed};
use super::state::State;
use super::steps;
use crate::domain::Origin;
use crate::store::{CommitError, StockCommit};

/// Parked messages read at once.
const PAGE: usize = 500;

impl From<CommitError> for ParkedError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::AlreadyUnparked => Self::NotParked,
            CommitError::Store(error) => error.into(),
            other @ (CommitError::Stale(_) | CommitError::TurnLost) => {
                CommandError::Unavailable(other.to_string()).into()
            }
        }
    }
}

impl From<StoreError> for ParkedError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Writer {
    /// The message and all of its order in its topic, in the order they were parked in; alone if it names no order.
    async fn company_of(&self, id: ParkedId) -> Result<(Parked, Vec<Parked>), ParkedError> {
        let first = Some(ParkedId(id.0 - 1));
        let found = self.store.parked(PRODUCTS_GROUP, first, 1).await?;
        let message = found.into_iter().find(|p| p.id == id).ok_or(ParkedError::NotParked)?;
        let Some(order) = message.order.clone() else { return Ok((message.clone(), vec![message])) };
        let mut company = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.parked(PRODUCTS_GROUP, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let same =
                |p: &Parked| p.order.as_ref() == Some(&order) && p.record.topic == message.record.topic;
            company.extend(page.into_iter().filter(same));
        }
        Ok((message, company))
    }

    pub(super) async fn replay(&mut self, id: ParkedId) -> Result<Replayed, ParkedError> {
        let at = self.now();
        let (_, company) = self.company_of(id).await?;
        let mut commit = StockCommit::default();
        let mut events = Vec::new();
        let mut done = Vec::new();
        let mut stuck = None;
        for parked in &company {
            match Event::decode(parked.record.topic, &parked.record.payload) {
                Ok(Some(event)) => events.push((parked.record.clone(), event)),
                // From a newer writer: passed over, as it would have been the first time.
                Ok(None) => {}
                Err(error) => {
                    commit.attempted.push(parked.id);
                    stuck = Some(holdfast_service::telemetry::chain(&error));
                    break;
                }
            }
            commit.unpark.push(parked.id);
            done.push((parked.record.topic, parked.order.clone()));
        }
        let mut state = self.take_state().await?;
        let mut decisions = prepare(&mut state, self.store.as_ref(), &events).await?;
        for (record, event) in &events {
            decide(&mut state, &mut decisions, record, event, at, &mut commit).map_err(StoreError::from)?;
        }
        state.settle(&mut commit, at);
        self.conclude_parked(state, commit, &done).await?;
        Ok(Replayed { replayed: done.len(), stuck })
    }

    pub(super) async fn discard(&mut self, id: ParkedId) -> Result<Replayed, ParkedError> {
        let at = self.now();
        let (message, company) = self.company_of(id).await?;
        let record = &message.record;
        let order =
            message.order.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse::<OrderId>().ok());
        let mut commit = StockCommit { unpark: vec![id], ..Default::default() };
        let mut state = self.take_state().await?;
        if let (Topic::InventoryReserve, Some(order)) = (record.topic, order) {
            let reservation = ReservationId::from(order);
            let mut decisions = Decisions::default();
            for decision in self.store.decisions(vec![reservation]).await? {
                decisions.insert(decision.id, decision);
            }
            let origin = Origin { cause: cause(record), at };
            let outcome = state.desk.give_up(reservation, decisions.get(&reservation), &origin);
            conclude(&mut state, &mut decisions, outcome, record.traceparent.as_ref(), &mut commit);
        }
        self.conclude_parked(state, commit, &[(record.topic, message.order.clone())]).await?;
        match &company[..] {
            // It was what the others waited for. It is gone whatever becomes of them.
            [first, next, ..] if first.id == id => Ok(self.replay(next.id).await.unwrap_or_else(|error| {
                Replayed { replayed: 0, stuck: Some(holdfast_service::telemetry::chain(&error)) }
            })),
            _ => Ok(Replayed { replayed: 0, stuck: None }),
        }
    }

    async fn conclude_parked(
        &mut self,
        mut state: State,
        commit: StockCommit,
        done: &[(Topic, Option<Bytes>)],
    ) -> Result<(), ParkedError> {
        let made: Vec<Arc<_>> = commit.decisions.clone();
        self.commit(commit).await?;
        for (topic, order) in done {
            if let Some(order) = order {
                state.parked.removed(*topic, order);
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
