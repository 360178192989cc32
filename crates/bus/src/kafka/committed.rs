//! Positions as the broker knows them: how far a group says it is, for those who are not that group.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Group, Inbox, Parked, ParkedId, Position, StoreError, TopicPartition};

use super::broker::Broker;
use crate::BusError;

/// What groups have committed at the broker. Groups tell it a little after their effects, and it may lag behind.
pub(super) struct Committed {
    pub(super) broker: Arc<Broker>,
}

#[async_trait]
impl Inbox for Committed {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        let positions = async {
            let topics = self.broker.describe(Topic::ALL).await?;
            let reached = self.broker.committed(group, &topics.partitions(Topic::ALL)).await?;
            let position = |(partition, next): (TopicPartition, u64)| {
                let incarnation = topics.get(partition.topic)?.incarnation;
                Some((partition, Position { incarnation, next }))
            };
            Ok(reached.into_iter().filter_map(position).collect())
        };
        positions.await.map_err(|error| match error {
            BusError::Unavailable(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })
    }

    /// Parked messages are in the group's own database; the broker knows of none.
    async fn parked(&self, _: Group, _: Option<ParkedId>, _: usize) -> Result<Vec<Parked>, StoreError> {
        Ok(Vec::new())
    }
}
