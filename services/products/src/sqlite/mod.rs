//! The embedded back-end: the Products service's tables in one SQLite database, beside its journal and positions.

mod books;
mod list;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use schema::PRODUCTS;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_storage::sqlite::{Database, Options};
use holdfast_storage::{
    Group, Inbox, Journal, Parked, ParkedFilter, ParkedId, Position, StoreError, TopicPartition,
};

use crate::store::{Turn, Turns};

/// The Products service's database. Cheap to clone.
#[derive(Clone)]
pub struct SqliteProducts {
    database: Arc<Database>,
}

impl SqliteProducts {
    /// Opens the database at `path`, makes it if it is not there.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_options(path, |_| {})
    }

    /// As [`SqliteProducts::open`], with other bounds.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn with_options(
        path: impl Into<PathBuf>,
        change: impl FnOnce(&mut Options),
    ) -> Result<Self, StoreError> {
        let mut options = Options::new(path, schema::PRODUCTS, Topic::FROM_PRODUCTS);
        change(&mut options);
        Ok(Self { database: Arc::new(Database::open(&options)?) })
    }

    /// The database itself.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// The outgoing records.
    pub fn journal(&self) -> Arc<dyn Journal> {
        self.database.clone()
    }

    /// The consumed positions and parked messages.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        self.database.clone()
    }

    /// Finishes what is queued and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

#[async_trait]
impl Inbox for SqliteProducts {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.database.positions(group).await
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.database.parked(group, after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.database.parked_like(group, filter, after, limit).await
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.database.parked_orders(group, orders).await
    }

    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        self.database.parked_counts(group).await
    }
}

/// A second instance does not start.
#[async_trait]
impl Turns for SqliteProducts {
    async fn take_turn(&self) -> Result<Turn, StoreError> {
        Ok(Turn::ALWAYS)
    }

    async fn pass_turn(&self, _turn: Turn) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn end_turn(&self, _turn: Turn) -> Result<(), StoreError> {
        Ok(())
    }
}
