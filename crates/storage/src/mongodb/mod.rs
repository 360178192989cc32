//! What the stores on MongoDB stand on: a handle with majority concerns, transactions, positions, parked messages, leases.
//!
//! A store's commit is one transaction (or one document). Everything here that takes a session belongs into the caller's
//! transaction: [`Mongo::advance`], [`Mongo::advance_all`], [`Mongo::park`], [`Mongo::unpark`], [`Mongo::attempted`],
//! [`Mongo::hold_lease`], [`Mongo::update_each`].

mod abandoned;
mod claim;
mod inbox;
mod lease;
mod transaction;
mod turn;
mod update;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, SelectionCriteria, WriteConcern};
use mongodb::{Client, Database, IndexModel};
use thiserror::Error;

use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::record::Incarnation;

pub use claim::{Reached, ShardClaim, read_reached, unclaimed, write_reached};
pub use lease::Lease;
pub use transaction::{Transaction, TransactionFault};

/// How long a call waits for a server that can serve it before the store counts as away.
const SELECTION: Duration = Duration::from_secs(3);
/// Connecting to one server.
const CONNECT: Duration = Duration::from_secs(2);

/// The server's code for a key that is taken.
const DUPLICATE_KEY: i32 = 11_000;
/// The server's code for a collection that is there already.
const NAMESPACE_EXISTS: i32 = 48;

const SCHEMA: &str = "schema";
const POSITIONS: &str = "positions";
const PARKED: &str = "parked";
const LEASES: &str = "leases";
const WAITING: &str = "leases_waiting";
const NUMBERS: &str = "numbers";

/// Which database.
#[derive(Clone)]
pub struct MongoOptions {
    /// Connection string of a replica set; may hold a password.
    pub uri: String,
    /// Name of the database.
    pub database: String,
    /// What the server's log calls this client.
    pub app_name: String,
}

impl fmt::Debug for MongoOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoOptions").field("database", &self.database).finish_non_exhaustive()
    }
}

/// The connection string cannot be used.
#[derive(Debug, Error)]
#[error("MONGODB_URI cannot be used: {0}")]
pub struct InvalidUri(String);

/// One database. Cheap to clone.
#[derive(Clone)]
pub struct Mongo {
    client: Client,
    database: Database,
    /// What the server calls this client and those of the service's other instances.
    app_name: String,
    /// Names this handle among all that may hold a lease.
    instance: ObjectId,
}

impl Mongo {
    /// A handle. Does not talk to the server yet, except to resolve a `mongodb+srv://` name.
    ///
    /// # Errors
    /// If the connection string cannot be used. A server that is away is no error.
    pub async fn new(options: &MongoOptions) -> Result<Self, InvalidUri> {
        let invalid = |error: Error| InvalidUri(error.to_string());
        let mut client = ClientOptions::parse(&options.uri).await.map_err(invalid)?;
        client.app_name = Some(options.app_name.clone());
        client.server_selection_timeout = Some(SELECTION);
        client.connect_timeout.get_or_insert(CONNECT);
        client.read_concern = Some(ReadConcern::majority());
        client.write_concern =
            Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        // Own writes are to be seen at once.
        client.selection_criteria =
            Some(SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Primary));
        let client = Client::with_options(client).map_err(invalid)?;
        let database = client.database(&options.database);
        Ok(Self { client, database, app_name: options.app_name.clone(), instance: ObjectId::new() })
    }

    /// The database, with majority concerns.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The client, for sessions of other kinds.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The name of the replica set whose primary answers; `None` if the server is in none, and so has no transactions. A router
    /// of a sharded cluster counts as one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no primary answers.
    pub async fn replica_set(&self) -> Result<Option<String>, StoreError> {
        let said = self.database.run_command(doc! { "hello": 1 }).await.map_err(unavailable)?;
        let router = said.get_str("msg").ok().filter(|kind| *kind == "isdbgrid");
        Ok(said.get_str("setName").ok().or(router).map(str::to_owned))
    }

    /// Makes what every store needs, and notes the version of `component`'s own schema. Idempotent; several instances may
    /// do it at the same time. Names this life of the database.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Unavailable`]: call it again.
    pub async fn prepare(&self, component: &str, version: u32) -> Result<Incarnation, StoreError> {
        for name in [SCHEMA, POSITIONS, PARKED, LEASES, WAITING, NUMBERS] {
            self.make_collection(name).await?;
        }
        // Whether a message waits for another is asked in every commit that parks one behind it.
        let orders =
            IndexModel::builder().keys(doc! { "group": 1, "topic": 1, "order": 1, "_id": 1 }).build();
        self.database.collection::<Document>(PARKED).create_index(orders).await.map_err(unavailable)?;
        let schema = self.database.collection::<Document>(SCHEMA);
        let known = i64::from(version);
        let noted = schema
            .find_one_and_update(doc! { "_id": component }, doc! { "$max": { "version": known } })
            .upsert(true)
            .await
            .map_err(unavailable)?;
        let found = noted.and_then(|noted| noted.get_i64("version").ok()).unwrap_or(known);
        if found > known {
            return Err(StoreError::NewerSchema {
                component: component.to_owned(),
                found: u32::try_from(found).unwrap_or(u32::MAX),
                known: version,
            });
        }
        let fresh = ObjectId::new().bytes();
        // The random part and the counter; the time in front tells two of one machine apart as well.
        let fresh = fresh.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        schema
            .update_one(
                doc! { "_id": "incarnation" },
                doc! { "$setOnInsert": { "value": fresh.cast_signed() } },
            )
            .upsert(true)
            .await
            .or_else(
                |error| if is_duplicate(&error) { Ok(Default::default()) } else { Err(unavailable(error)) },
            )?;
        let stored = schema.find_one(doc! { "_id": "incarnation" }).await.map_err(unavailable)?;
        let value = stored.and_then(|stored| stored.get_i64("value").ok());
        value
            .map(|value| Incarnation(value.cast_unsigned()))
            .ok_or_else(|| StoreError::Inconsistent("the database does not say which one it is".to_owned()))
    }

    /// Makes a collection if it is not there: transactions would have to make it otherwise, and get in each other's way.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn make_collection(&self, name: &str) -> Result<(), StoreError> {
        match self.database.create_collection(name).await {
            Ok(()) => Ok(()),
            Err(error) if command_code(&error) == Some(NAMESPACE_EXISTS) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// What a consumer group of this database has reached and parked.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.clone())
    }
}

/// A fault of the server, or of the way to it: the same may succeed later.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn unavailable(error: Error) -> StoreError {
    StoreError::Unavailable(format!("MongoDB: {error}"))
}

/// Whether a write failed because its key is taken.
pub fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(fault)) => fault.code == DUPLICATE_KEY,
        ErrorKind::InsertMany(failed) => {
            failed.write_errors.iter().flatten().any(|fault| fault.code == DUPLICATE_KEY)
        }
        _ => command_code(error) == Some(DUPLICATE_KEY),
    }
}

fn command_code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(fault) => Some(fault.code),
        _ => None,
    }
}
