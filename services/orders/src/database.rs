//! The service's database, opened: what the composition needs of it, whatever it is.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::{Keeps, Retention};
use holdfast_contract::{Key, Timestamp, Topic};
use holdfast_service::backend::{AlwaysMine, Backend, Duty, Lease};
use holdfast_service::config::{Backends, CommonArgs};
use holdfast_service::telemetry::chain;
use holdfast_service::{Clock, KeySource, TimeOrderedKeys};
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use holdfast_storage::sqlite::JournalOutbox;
use holdfast_storage::{Group, Inbox, Journal, Outbox, Places, Seq, StoreError};
use rusqlite::OptionalExtension as _;
use tokio_util::sync::CancellationToken;

use crate::mongodb::{MongoOrders, MongoOrdersOptions};
use crate::recovery::Unpublished;
use crate::sqlite::{SqliteOptions, SqliteOrders};
use crate::store::OrderStore;

/// The database in the data folder.
pub const DATABASE_FILE: &str = "orders.db";

/// The service's database, with its two faces to the bus.
pub struct Database {
    /// The orders.
    pub store: Arc<dyn OrderStore>,
    /// Where its consumer has come to.
    pub inbox: Arc<dyn Inbox>,
    /// Fresh order ids, greater than every stored one.
    pub keys: Arc<dyn KeySource>,
    /// What it sends, if that is kept as a journal.
    pub journal: Option<Arc<dyn Journal>>,
    /// The file with that journal: for who plays a foreign writer. Nobody else writes past the store.
    pub file: Option<Arc<holdfast_storage::sqlite::Database>>,
    /// What it sends, if that goes to a broker.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// Where the broker has the journal's records.
    pub places: Option<Arc<dyn Places>>,
    /// What waits to be published, if the store's own list of undecided orders does not leave it out.
    pub unpublished: Option<Arc<dyn Unpublished>>,
    /// Whether this instance asks for what is forgotten.
    pub redecides: Arc<dyn Duty>,
    /// Whether this instance audits.
    pub audits: Arc<dyn Duty>,
    /// Its start, its background work and its end.
    pub backend: Arc<dyn Backend>,
    /// What needs the journal's records besides consumers.
    pub keeps: Vec<Arc<dyn Keeps>>,
}

impl Database {
    /// Opens what is configured. A database server need not be there yet.
    ///
    /// # Errors
    /// See [`SqliteOrders::open`].
    pub async fn open(
        common: &CommonArgs,
        backends: Backends<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        match backends {
            Backends::Embedded => Self::open_sqlite(&common.data_dir, clock).await,
            Backends::KafkaAndSqlite { .. } => Self::open_sqlite_outbox(&common.data_dir, clock).await,
            Backends::KafkaAndMongo { uri, .. } => {
                Self::open_mongodb(uri, &common.mongodb.mongodb_orders_db, clock).await
            }
        }
    }

    /// Opens `orders.db` in `data_dir`; makes both if they are not there. For the embedded bus: consumers read its
    /// journal.
    ///
    /// # Errors
    /// See [`SqliteOrders::open`].
    pub async fn open_sqlite(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let sqlite = SqliteOrders::open(&SqliteOptions::new(data_dir.join(DATABASE_FILE))).await?;
        Self::sqlite(sqlite, clock).await
    }

    /// As [`Database::open_sqlite`], for a broker: its journal is published.
    ///
    /// # Errors
    /// See [`SqliteOrders::open`].
    pub async fn open_sqlite_outbox(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let sqlite = SqliteOrders::open(&SqliteOptions::new(data_dir.join(DATABASE_FILE))).await?;
        let mut this = Self::sqlite(sqlite.clone(), clock).await?;
        let outbox = Arc::new(JournalOutbox::open(sqlite.database().clone()).await?);
        this.keeps.push(outbox.clone());
        this.places = Some(outbox.clone());
        this.unpublished =
            Some(Arc::new(JournalRest { journal: sqlite.database().clone(), outbox: outbox.clone() }));
        this.outbox = Some(outbox);
        Ok(this)
    }

    /// Over a SQLite database that is open, for the embedded bus.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn sqlite(sqlite: Arc<SqliteOrders>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let newest = sqlite
            .database()
            .read(|connection| {
                let id: Option<Option<i64>> =
                    connection.query_row("SELECT max(id) FROM orders", [], |row| row.get(0)).optional()?;
                Ok(id.flatten())
            })
            .await?;
        let keys = TimeOrderedKeys::with_random_instance(clock);
        if let Some(key) = newest.and_then(Key::from_i64) {
            // The clock may have gone back while the service was down.
            keys.advance_past(key);
        }
        Ok(Self {
            store: sqlite.clone(),
            inbox: sqlite.database().clone(),
            keys: Arc::new(keys),
            journal: Some(sqlite.database().clone()),
            file: Some(sqlite.database().clone()),
            outbox: None,
            places: None,
            unpublished: None,
            redecides: Arc::new(AlwaysMine),
            audits: Arc::new(AlwaysMine),
            backend: Arc::new(Sqlite(sqlite.clone())),
            keeps: vec![sqlite],
        })
    }

    /// A database of a MongoDB server, which need not be there yet. For a broker.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] if `uri` is no connection string.
    pub async fn open_mongodb(uri: &str, database: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let mongo = Mongo::new(&MongoOptions {
            uri: uri.to_owned(),
            database: database.to_owned(),
            app_name: "holdfast-orders".to_owned(),
        })
        .await
        .map_err(|error| StoreError::Inconsistent(format!("MONGODB_URI: {}", chain(&error))))?;
        let orders = MongoOrders::new(mongo.clone(), &MongoOrdersOptions::default());
        let keys = Arc::new(TimeOrderedKeys::with_random_instance(clock));
        Ok(Self {
            store: orders.clone(),
            inbox: orders.inbox(),
            keys: keys.clone(),
            journal: None,
            file: None,
            outbox: Some(orders.clone()),
            places: None,
            unpublished: None,
            redecides: Arc::new(Lease { mongo: mongo.clone(), name: "orders redecide" }),
            audits: Arc::new(Lease { mongo, name: "orders audit" }),
            backend: Arc::new(MongoBackend { orders, keys }),
            keeps: Vec::new(),
        })
    }

    /// How old records of the journal are forgotten, if there is one; `groups` read it.
    pub fn retention(&self, groups: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>) -> Option<Retention> {
        let journal = self.journal.clone()?;
        Some(Retention { journal, groups, others: self.keeps.clone() })
    }

    /// Closes it: call it once nothing uses it any more. Later calls of its parts fail.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}

struct Sqlite(Arc<SqliteOrders>);

#[async_trait]
impl Backend for Sqlite {
    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check_writes(&self) -> Result<(), StoreError> {
        self.0.database().check_writes().await
    }

    async fn run(&self, stop: CancellationToken) {
        self.0.keep_indexed(stop).await;
    }

    async fn close(&self) {
        self.0.database().close().await;
    }
}

struct MongoBackend {
    orders: Arc<MongoOrders>,
    keys: Arc<TimeOrderedKeys>,
}

#[async_trait]
impl Backend for MongoBackend {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.orders.prepare().await?;
        if let Some(newest) = self.orders.newest().await? {
            // The clock may have gone back while the service was down.
            self.keys.advance_past(newest.key());
        }
        Ok(())
    }

    async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn close(&self) {
        self.orders.close().await;
    }
}

/// What of a journal is not published.
struct JournalRest {
    journal: Arc<dyn Journal>,
    outbox: Arc<JournalOutbox>,
}

#[async_trait]
impl Unpublished for JournalRest {
    async fn oldest(&self) -> Result<Option<Timestamp>, StoreError> {
        let Seq(published) = self.outbox.published();
        let rest = self.journal.read(Seq(published), 1).await?;
        Ok(rest.first().map(|record| record.at))
    }
}
