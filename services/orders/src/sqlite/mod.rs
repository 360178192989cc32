//! The embedded store: one SQLite database.
//!
//! Accepting an order inserts one row; lists and search read an index that follows behind (`index`) together with what
//! is not indexed yet (`overlay`). What a crash loses of that memory is found again in the journal.

mod commit;
mod index;
mod list;
mod overlay;
mod reads;
mod schema;
#[cfg(test)]
mod tests;

pub use schema::ORDERS;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use holdfast_contract::topic::DEFAULT_PARTITIONS;
use holdfast_contract::{OrderId, Topic};
use holdfast_storage::sqlite::{CHECKPOINT_PAGES, Database, Options};
use holdfast_storage::{Journal, Seq, StoreError};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use tokio_util::sync::CancellationToken;

use index::Numbers;
use overlay::Overlay;

/// The scope of the lists of all users.
const EVERYBODY: i64 = 0;
/// How long what was changed may wait to be indexed.
const INDEX_EVERY: Duration = Duration::from_millis(500);

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file; its folder is made.
    pub path: PathBuf,
    /// Partitions of each topic, if the database is new.
    pub partitions: u16,
    /// As [`Options::checkpoint_pages`].
    pub checkpoint_pages: u32,
    /// As [`Options::vfs`].
    pub vfs: Option<String>,
}

impl SqliteOptions {
    /// The default number of partitions.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            partitions: DEFAULT_PARTITIONS,
            checkpoint_pages: CHECKPOINT_PAGES,
            vfs: None,
        }
    }
}

/// The orders of one database.
pub struct SqliteOrders {
    database: Arc<Database>,
    overlay: Arc<Overlay>,
    numbers: Arc<Mutex<Numbers>>,
    watermark: Arc<AtomicU64>,
    flushing: tokio::sync::Mutex<()>,
}

impl SqliteOrders {
    /// Opens the database, makes it if it is not there, and finds what was not indexed yet.
    ///
    /// # Errors
    /// See [`Database::open`]; [`StoreError::Inconsistent`] if an order breaks an invariant.
    pub async fn open(options: &SqliteOptions) -> Result<Arc<Self>, StoreError> {
        let base = Options::new(&options.path, schema::ORDERS, Topic::FROM_ORDERS);
        let SqliteOptions { partitions, checkpoint_pages, ref vfs, .. } = *options;
        let options = Options { partitions, checkpoint_pages, vfs: vfs.clone(), ..base };
        let database = Arc::new(Database::open(&options)?);
        let (watermark, generation) = database.read(index::read_state).await?;
        let newest = *database.committed().borrow();
        // An index that claims to be ahead of the journal is not believed.
        let watermark = if watermark > newest { Seq(0) } else { watermark };
        let orders = Self {
            overlay: Arc::new(Overlay::new(generation, newest)),
            numbers: Arc::default(),
            watermark: Arc::new(AtomicU64::new(watermark.0)),
            flushing: tokio::sync::Mutex::default(),
            database,
        };
        orders.recover(watermark).await?;
        Ok(Arc::new(orders))
    }

    /// Every change of an order has a live record: those after the watermark name the orders that are not indexed.
    async fn recover(&self, watermark: Seq) -> Result<(), StoreError> {
        let mut after = watermark;
        loop {
            let records = Journal::read(&*self.database, after, 1_000).await?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            let changed: FxHashSet<OrderId> = records
                .iter()
                .filter(|record| record.topic == Topic::OrderLive)
                .filter_map(|record| std::str::from_utf8(&record.key).ok()?.parse().ok())
                .collect();
            let ids: Vec<OrderId> =
                changed.into_iter().filter(|id| self.overlay.get(*id).is_none()).collect();
            let found = self.database.read(move |connection| reads::orders(connection, &ids)).await?;
            for order in found.into_iter().flatten() {
                self.overlay.recover(order);
            }
        }
    }

    /// The database: the journal of the outgoing records, and the inbox of the answers.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Waits until there is something to index.
    pub async fn dirty(&self) {
        self.overlay.dirty().await;
    }

    /// Keeps the index close behind until `stop`; then a last time, so that the next start has nothing to catch up.
    pub async fn keep_indexed(&self, stop: CancellationToken) {
        let mut last = false;
        while !last {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.dirty() => tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.overlay.crowded() => {}
                    // Bulk is cheaper: this is a pause between batches, nobody waits for it.
                    () = tokio::time::sleep(INDEX_EVERY) => {}
                },
            }
            last = stop.is_cancelled();
            match self.flush_index().await {
                Ok(count) => metrics::counter!("orders_indexed_total").increment(count as u64),
                Err(error) => {
                    tracing::warn!(%error, "indexing failed; lists go on from memory, and it is tried again");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(INDEX_EVERY) => {}
                    }
                }
            }
            metrics::gauge!("orders_not_indexed").set(self.overlay.len() as f64);
        }
    }
}
