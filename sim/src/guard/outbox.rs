//! An outbox, as a relay works through it.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Claim, Incarnation, Outbox, Position, Sent, StoreError, TopicPartition, Unsent};
use tokio::sync::watch;

use super::Access;

/// The outbox as the relay of one process sees it; each shard has a gate of its own.
pub(crate) struct GuardedOutbox {
    outbox: Arc<dyn Outbox>,
    shards: Vec<Access>,
}

impl GuardedOutbox {
    /// What `shards` let through, one for each shard of the outbox.
    pub(crate) fn new(outbox: Arc<dyn Outbox>, shards: Vec<Access>) -> Self {
        Self { outbox, shards }
    }
}

#[async_trait]
impl Outbox for GuardedOutbox {
    fn topics(&self) -> &[Topic] {
        self.outbox.topics()
    }

    fn incarnation(&self) -> Incarnation {
        self.outbox.incarnation()
    }

    fn shards(&self) -> u16 {
        self.outbox.shards()
    }

    fn goes_to(&self, shard: u16, partition: Partition, partitions: u16) -> bool {
        self.outbox.goes_to(shard, partition, partitions)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.outbox.committed()
    }

    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        let access = self.shards[usize::from(shard)].clone();
        access.read().await?;
        let claim = self.outbox.claim(shard).await?;
        Ok(claim.map(|claim| Box::new(GuardedClaim { claim, access }) as Box<dyn Claim>))
    }
}

struct GuardedClaim {
    claim: Box<dyn Claim>,
    access: Access,
}

#[async_trait]
impl Claim for GuardedClaim {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        self.access.read().await?;
        // As much as there happens to be at hand, or only a little of it.
        let limit = match limit {
            0 => 0,
            most => self.access.gate.chance(|dice| if dice.once_in(3) { dice.index(most) + 1 } else { most }),
        };
        self.claim.unsent(limit).await
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        self.access.before_commit().await?;
        self.claim.sent(records).await?;
        self.access.after_commit().await
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.access.read().await?;
        self.claim.reached().await
    }

    fn rewind(&mut self) {
        self.claim.rewind();
    }
}
