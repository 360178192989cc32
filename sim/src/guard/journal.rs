//! A journal, as a consumer on the embedded bus reads it.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Incarnation, Journal, Record, Seq, StoreError, TopicPartition};
use tokio::sync::watch;

use super::Access;

/// The journal as one task sees it.
pub(crate) struct GuardedJournal {
    journal: Arc<dyn Journal>,
    access: Access,
}

impl GuardedJournal {
    /// What `access` lets through.
    pub(crate) fn new(journal: Arc<dyn Journal>, access: Access) -> Self {
        Self { journal, access }
    }
}

#[async_trait]
impl Journal for GuardedJournal {
    fn topics(&self) -> &[Topic] {
        self.journal.topics()
    }

    fn partitions(&self) -> u16 {
        self.journal.partitions()
    }

    fn incarnation(&self) -> Incarnation {
        self.journal.incarnation()
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.journal.committed()
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.access.read().await?;
        let records = self.journal.read(after, limit).await;
        // The answer too is on its way for a while, and more may be committed meanwhile.
        self.access.read().await?;
        records
    }

    async fn locate(&self, partition: TopicPartition, offset: u64) -> Result<Seq, StoreError> {
        self.access.read().await?;
        self.journal.locate(partition, offset).await
    }

    async fn bounds(&self) -> Result<Vec<Bounds>, StoreError> {
        self.access.read().await?;
        self.journal.bounds().await
    }

    async fn trim(&self, up_to: Seq) -> Result<usize, StoreError> {
        self.access.read().await?;
        self.journal.trim(up_to).await
    }
}
