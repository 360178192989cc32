//! Reading along outside any group.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::{BusError, Tail, TailFrom, TailPosition};
use holdfast_contract::Topic;
use holdfast_storage::{Incarnation, Record};

use super::Shared;
use crate::schedule::Gate;

pub(super) struct SimTail {
    shared: Arc<Shared>,
    gate: Gate,
    life: u64,
    position: TailPosition,
}

impl SimTail {
    pub(super) fn start(
        shared: Arc<Shared>,
        gate: Gate,
        topics: &[Topic],
        from: TailFrom<'_>,
    ) -> Result<Self, BusError> {
        let (life, position) = {
            let state = shared.state.lock();
            let bounds = state.bounds(topics);
            let incarnations: Vec<Incarnation> = topics.iter().map(|_| state.incarnation()).collect();
            let end = TailPosition::at_end(&incarnations, &bounds);
            let position = match from {
                TailFrom::Now => end,
                TailFrom::Token(token) => TailPosition::parse(token, &end, &bounds)?,
            };
            (state.life, position)
        };
        Ok(Self { shared, gate, life, position })
    }
}

#[async_trait]
impl Tail for SimTail {
    async fn next(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        loop {
            self.gate.pass().await;
            // As in `SimConsumer::poll`.
            let mut changed = self.shared.changed.subscribe();
            self.shared.present()?;
            let found = {
                let state = self.shared.state.lock();
                if state.life != self.life {
                    return Err(BusError::TooFarBehind);
                }
                let mut found: Vec<Arc<Record>> = Vec::new();
                for &(partition, next) in self.position.offsets() {
                    let from = usize::try_from(next).unwrap_or(usize::MAX);
                    let rest = state.log(partition).get(from..).unwrap_or_default();
                    found.extend(rest.iter().take(max - found.len()).map(|entry| entry.record.clone()));
                }
                found
            };
            if !found.is_empty() {
                for record in &found {
                    self.position.step(record);
                }
                return Ok(found);
            }
            let _ = changed.changed().await;
        }
    }

    fn position(&self) -> &TailPosition {
        &self.position
    }
}
