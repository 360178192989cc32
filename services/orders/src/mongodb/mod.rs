//! The distributed store: one MongoDB database, any number of instances on it.
//!
//! An order is one document that carries its unsent events (`document`), so a client's change of one order is one write;
//! clients' commits are grouped (`writer`), and what concerns several documents is a transaction (`commit`). Versions are
//! compared and set by the server, so instances need not know of each other.

mod commit;
mod document;
mod list;
mod outbox;
mod reads;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, OnceLock};

use holdfast_contract::OrderId;
use holdfast_contract::topic::DEFAULT_PARTITIONS;
use holdfast_storage::mongodb::{Mongo, is_duplicate, unavailable, unclaimed};
use holdfast_storage::{Inbox, Incarnation, StoreError};
use mongodb::Collection;
use mongodb::bson::{RawDocumentBuf, doc};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use writer::Request;

/// Relays that can work side by side. Each order's shard is persisted: never lower it.
const SHARDS: u16 = 3;
/// The server's code for a key that is taken.
const DUPLICATE_KEY: i32 = 11_000;

/// How the store behaves.
#[derive(Clone, Debug)]
pub struct MongoOrdersOptions {
    /// Partitions of a topic, as far as known: what a timeline says of a record before the broker has it.
    pub partitions: u16,
}

impl Default for MongoOrdersOptions {
    fn default() -> Self {
        Self { partitions: DEFAULT_PARTITIONS }
    }
}

struct Collections {
    mongo: Mongo,
    orders: Collection<RawDocumentBuf>,
    idempotency: Collection<RawDocumentBuf>,
    copies: Collection<RawDocumentBuf>,
    shards: Collection<RawDocumentBuf>,
    counters: Collection<RawDocumentBuf>,
}

/// The orders of one database.
pub struct MongoOrders {
    collections: Arc<Collections>,
    partitions: u16,
    incarnation: OnceLock<Incarnation>,
    committed: watch::Sender<u64>,
    queue: Mutex<Option<flume::Sender<Request>>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

impl MongoOrders {
    /// Touches no network. Call it inside a runtime: its writers are tasks, which end with [`MongoOrders::close`].
    pub fn new(mongo: Mongo, options: &MongoOrdersOptions) -> Arc<Self> {
        let database = mongo.database();
        let collections = Arc::new(Collections {
            orders: database.collection(schema::ORDERS),
            idempotency: database.collection(schema::IDEMPOTENCY),
            copies: database.collection(schema::COPIES),
            shards: database.collection(schema::SHARDS),
            counters: database.collection(schema::COUNTERS),
            mongo,
        });
        let (queue, waiting) = flume::bounded(writer::QUEUE);
        let start = |_| {
            let work = writer::run(waiting.clone(), collections.clone());
            #[allow(
                clippy::disallowed_methods,
                reason = "they outlive every request; `close` waits for them"
            )]
            tokio::spawn(work)
        };
        Arc::new(Self {
            writers: Mutex::new((0..writer::WRITERS).map(start).collect()),
            queue: Mutex::new(Some(queue)),
            collections,
            partitions: options.partitions,
            incarnation: OnceLock::new(),
            committed: watch::Sender::new(0),
        })
    }

    /// Makes what the database needs: collections, indexes. Several instances may do it at the same time.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Unavailable`]: call it again.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let Collections { mongo, orders, idempotency, copies, shards, .. } = &*self.collections;
        let incarnation = mongo.prepare("orders", schema::VERSION).await?;
        mongo.make_collection(schema::COUNTERS).await?;
        match shards.insert_many((0..SHARDS).map(unclaimed)).ordered(false).await {
            Err(error) if !is_duplicate(&error) => return Err(unavailable(error)),
            // They are there.
            _ => {}
        }
        orders.create_indexes(schema::orders()).await.map_err(unavailable)?;
        idempotency.create_indexes(schema::idempotency()).await.map_err(unavailable)?;
        copies.create_indexes(schema::copies()).await.map_err(unavailable)?;
        // Another value than before would be another database under the same handle, which nobody can make.
        let _ = self.incarnation.set(incarnation);
        Ok(())
    }

    /// The greatest id of an order, for making greater ones.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn newest(&self) -> Result<Option<OrderId>, StoreError> {
        let find =
            self.collections.orders.find_one(doc! {}).sort(doc! { "_id": -1 }).projection(doc! { "_id": 1 });
        find.await.map_err(unavailable)?.map(|document| document::read_id(&document)).transpose()
    }

    /// How far the consumer of answers has come, and what it has parked.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        self.collections.mongo.inbox()
    }

    /// Writes what waits; later commits fail.
    pub async fn close(&self) {
        self.queue.lock().take();
        let writers = std::mem::take(&mut *self.writers.lock());
        for writer in writers {
            if let Err(error) = writer.await {
                tracing::error!(%error, "a writer of orders has failed");
            }
        }
    }
}
