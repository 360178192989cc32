//! The distributed store: one MongoDB database, any number of instances on it.
//!
//! A product is one document with its stock (`document`). A commit is one transaction with one command for each collection
//! (`prepared`, `commit`); its first statement proves the decider's turn and counts the commit, so commits exclude each
//! other and their outgoing records can be numbered in their order (`outbox`).

mod books;
mod commit;
mod document;
mod fields;
mod list;
mod outbox;
mod prepared;
mod reads;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_storage::mongodb::{Lease, Mongo, is_duplicate, unavailable, unclaimed};
use holdfast_storage::{
    Group, Inbox, Incarnation, Parked, ParkedFilter, ParkedId, Position, StoreError, TopicPartition,
};
use mongodb::bson::RawDocumentBuf;
use mongodb::options::{CollectionOptions, ReadConcern};
use mongodb::{ClientSession, Collection};
use tokio::sync::{Mutex, watch};

use crate::store::{Turn, Turns};

/// The lease of who decides.
const TURN: &str = "products turn";
/// How long a turn outlives its holder's last commit.
const TURN_LASTS: Duration = Duration::from_secs(4);
/// How long a turn that was passed on waits for its new holder.
const TURN_PASSED: Duration = Duration::from_secs(2);
/// How long the turn is waited for: longer than a dead holder keeps it.
const PATIENCE: Duration = Duration::from_secs(10);

struct Collections {
    mongo: Mongo,
    products: Collection<RawDocumentBuf>,
    movements: Collection<RawDocumentBuf>,
    holds: Collection<RawDocumentBuf>,
    reservations: Collection<RawDocumentBuf>,
    http_reservations: Collection<RawDocumentBuf>,
    idempotency: Collection<RawDocumentBuf>,
    outbox: Collection<RawDocumentBuf>,
    shards: Collection<RawDocumentBuf>,
    /// Of all commits of this instance, so that another one can end what is left of them. Away while it is used.
    session: Mutex<Option<ClientSession>>,
    /// Whether something may be left of the last one.
    untidy: AtomicBool,
    closed: AtomicBool,
}

/// The products of one database. Cheap to clone.
#[derive(Clone)]
pub struct MongoProducts {
    collections: Arc<Collections>,
    incarnation: Arc<OnceLock<Incarnation>>,
    committed: watch::Sender<u64>,
}

impl MongoProducts {
    /// Touches no network.
    pub fn new(mongo: Mongo) -> Self {
        // A read sees one state between two commits, also if it takes several answers.
        let snapshot = CollectionOptions::builder().read_concern(ReadConcern::snapshot()).build();
        let read = |name| mongo.database().collection_with_options(name, snapshot.clone());
        let collections = Collections {
            products: read(schema::PRODUCTS),
            movements: read(schema::MOVEMENTS),
            holds: read(schema::HOLDS),
            reservations: read(schema::RESERVATIONS),
            http_reservations: read(schema::HTTP_RESERVATIONS),
            idempotency: read(schema::IDEMPOTENCY),
            outbox: read(schema::OUTBOX),
            shards: mongo.database().collection(schema::SHARDS),
            session: Mutex::default(),
            untidy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            mongo,
        };
        Self {
            collections: Arc::new(collections),
            incarnation: Arc::default(),
            committed: watch::Sender::new(0),
        }
    }

    /// Makes what the database needs: collections, indexes. Several instances may do it at the same time.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Unavailable`]: call it again.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let Collections { mongo, products, http_reservations, idempotency, shards, .. } = &*self.collections;
        let incarnation = mongo.prepare("products", schema::VERSION).await?;
        mongo.make_lease(TURN).await?;
        for name in [schema::MOVEMENTS, schema::HOLDS, schema::RESERVATIONS, schema::OUTBOX] {
            mongo.make_collection(name).await?;
        }
        match shards.insert_one(unclaimed(outbox::SHARD)).await {
            Err(error) if !is_duplicate(&error) => return Err(unavailable(error)),
            // It is there.
            _ => {}
        }
        products.create_indexes(schema::products()).await.map_err(unavailable)?;
        http_reservations.create_indexes(schema::http_reservations()).await.map_err(unavailable)?;
        idempotency.create_indexes(schema::idempotency()).await.map_err(unavailable)?;
        // Another value than before would be another database under the same handle, which nobody can make.
        let _ = self.incarnation.set(incarnation);
        Ok(())
    }

    /// Later commits fail.
    pub fn close(&self) {
        self.collections.closed.store(true, Ordering::Release);
    }
}

#[async_trait]
impl Inbox for MongoProducts {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.collections.mongo.positions(group).await
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.collections.mongo.parked(group, after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.collections.mongo.parked_like(group, filter, after, limit).await
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.collections.mongo.parked_orders(group, orders).await
    }

    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        self.collections.mongo.parked_counts(group).await
    }
}

fn lease(turn: Turn) -> Lease {
    Lease { fence: turn.number }
}

#[async_trait]
impl Turns for MongoProducts {
    async fn take_turn(&self) -> Result<Turn, StoreError> {
        let Collections { mongo, session, untidy, .. } = &*self.collections;
        let mut session = session.lock().await;
        let session = match &mut *session {
            Some(session) => session,
            none => none.insert(mongo.client().start_session().await.map_err(unavailable)?),
        };
        if untidy.load(Ordering::Acquire) {
            // A transaction whose commit has failed would stand in the way of its own successor.
            mongo.end_transactions(session.id()).await?;
            untidy.store(false, Ordering::Release);
        }
        let taken = mongo.wait_for_lease(TURN, session, TURN_LASTS, PATIENCE).await?;
        let Some(Lease { fence }) = taken else {
            let why = "another instance decides, and does not pass the turn on";
            return Err(StoreError::Unavailable(why.to_owned()));
        };
        Ok(Turn { number: fence, lasts: Some(TURN_LASTS) })
    }

    async fn pass_turn(&self, turn: Turn) -> Result<bool, StoreError> {
        self.collections.mongo.pass_lease(TURN, lease(turn), TURN_PASSED).await
    }

    async fn end_turn(&self, _turn: Turn) -> Result<(), StoreError> {
        self.collections.mongo.end_lease(TURN).await
    }
}
