//! The service's database, opened: what the composition needs of it, whatever it is.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::{Keeps, Retention};
use holdfast_contract::Topic;
use holdfast_service::backend::{AlwaysMine, Backend, Duty, Lease};
use holdfast_service::config::{Backends, CommonArgs};
use holdfast_service::telemetry::chain;
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use holdfast_storage::sqlite::JournalOutbox;
use holdfast_storage::{Group, Inbox, Journal, Outbox, StoreError};
use tokio_util::sync::CancellationToken;

use crate::mongodb::MongoProducts;
use crate::sqlite::SqliteProducts;
use crate::store::ProductStore;

/// File name of the database in `DATA_DIR`.
pub const DATABASE_FILE: &str = "products.db";

/// The service's database, with its two faces to the bus.
pub struct Database {
    /// The catalogue and the stock, and where the consumer has come to.
    pub store: Arc<dyn ProductStore>,
    /// What it sends, if that is kept as a journal.
    pub journal: Option<Arc<dyn Journal>>,
    /// The file with that journal: for who plays a foreign writer. Nobody else writes past the store.
    pub file: Option<Arc<holdfast_storage::sqlite::Database>>,
    /// What it sends, if that goes to a broker.
    pub outbox: Option<Arc<dyn Outbox>>,
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
    /// See [`SqliteProducts::open`].
    pub async fn open(common: &CommonArgs, backends: Backends<'_>) -> Result<Self, StoreError> {
        match backends {
            Backends::Embedded => Self::open_sqlite(&common.data_dir),
            Backends::KafkaAndSqlite { .. } => Self::open_sqlite_outbox(&common.data_dir).await,
            Backends::KafkaAndMongo { uri, .. } => {
                Self::open_mongodb(uri, &common.mongodb.mongodb_products_db).await
            }
        }
    }

    /// Opens `products.db` in `data_dir`; makes both if they are not there. For the embedded bus: consumers read its
    /// journal.
    ///
    /// # Errors
    /// See [`SqliteProducts::open`].
    pub fn open_sqlite(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self::sqlite(SqliteProducts::open(data_dir.join(DATABASE_FILE))?))
    }

    /// As [`Database::open_sqlite`], for a broker: its journal is published.
    ///
    /// # Errors
    /// See [`SqliteProducts::open`].
    pub async fn open_sqlite_outbox(data_dir: &Path) -> Result<Self, StoreError> {
        let sqlite = SqliteProducts::open(data_dir.join(DATABASE_FILE))?;
        let outbox = Arc::new(JournalOutbox::open(sqlite.database().clone()).await?);
        let mut this = Self::sqlite(sqlite);
        this.keeps.push(outbox.clone());
        this.outbox = Some(outbox);
        Ok(this)
    }

    /// Over a SQLite database that is open, for the embedded bus.
    pub fn sqlite(sqlite: SqliteProducts) -> Self {
        Self {
            store: Arc::new(sqlite.clone()),
            journal: Some(sqlite.journal()),
            file: Some(sqlite.database().clone()),
            outbox: None,
            audits: Arc::new(AlwaysMine),
            backend: Arc::new(Sqlite(sqlite)),
            keeps: Vec::new(),
        }
    }

    /// A database of a MongoDB server, which need not be there yet. For a broker.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] if `uri` is no connection string.
    pub async fn open_mongodb(uri: &str, database: &str) -> Result<Self, StoreError> {
        let mongo = Mongo::new(&MongoOptions {
            uri: uri.to_owned(),
            database: database.to_owned(),
            app_name: "holdfast-products".to_owned(),
        })
        .await
        .map_err(|error| StoreError::Inconsistent(format!("MONGODB_URI: {}", chain(&error))))?;
        let audits = Arc::new(Lease { mongo: mongo.clone(), name: "products audit" });
        let products = MongoProducts::new(mongo);
        Ok(Self {
            store: Arc::new(products.clone()),
            journal: None,
            file: None,
            outbox: Some(Arc::new(products.clone())),
            audits,
            backend: Arc::new(MongoBackend(products)),
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

struct Sqlite(SqliteProducts);

#[async_trait]
impl Backend for Sqlite {
    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check_writes(&self) -> Result<(), StoreError> {
        self.0.database().check_writes().await
    }

    async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

struct MongoBackend(MongoProducts);

#[async_trait]
impl Backend for MongoBackend {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.prepare().await
    }

    async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn close(&self) {
        self.0.close();
    }
}
