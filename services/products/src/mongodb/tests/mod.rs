//! The distributed back-end against the suites, and what is its own. Needs a server: says SKIPPED where there is none.

mod broken;
mod contention;
mod faults;
mod instance;
mod outbox;
mod turns;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::topic::partition_of;
use holdfast_servers::{shared, unique_name};
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use holdfast_storage::{Incarnation, Outbox as _, Record, Sent, Seq, StoreError, TopicPartition, Unsent};
use mongodb::bson::{Document, doc};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::MongoProducts;
use crate::store::ProductStore;
use crate::suite::{self, Subject};

/// What a relay and a broker would have made of the outbox.
#[derive(Default)]
struct Broker {
    records: Vec<Arc<Record>>,
    ends: FxHashMap<TopicPartition, u64>,
}

impl Broker {
    fn publish(&mut self, unsent: Unsent) -> Sent {
        let Unsent { id, record } = unsent;
        let partition = partition_of(&record.key, 3);
        let at = TopicPartition { topic: record.topic, partition };
        let end = self.ends.entry(at).or_default();
        let offset = *end;
        *end += 1;
        self.records.push(Arc::new(Record {
            seq: Seq(0),
            topic: record.topic,
            partition,
            offset,
            key: record.key,
            payload: record.payload,
            at: record.at,
            traceparent: record.traceparent,
        }));
        Sent { id, partition: at, incarnation: Incarnation(5), offset }
    }
}

struct Mongodb {
    uri: &'static str,
    database: String,
    products: MongoProducts,
    broker: Mutex<Broker>,
}

async fn open(uri: &str, database: &str) -> MongoProducts {
    let options =
        MongoOptions { uri: uri.to_owned(), database: database.to_owned(), app_name: database.to_owned() };
    let products = MongoProducts::new(Mongo::new(&options).await.unwrap());
    products.prepare().await.unwrap();
    products
}

async fn fresh(uri: &'static str) -> Mongodb {
    let database = unique_name("products");
    Mongodb { products: open(uri, &database).await, uri, database, broker: Mutex::default() }
}

impl Mongodb {
    /// Publishes what is unsent, and records it.
    async fn relay(&self) {
        // The last owner's end may be on its way.
        let mut claim = loop {
            if let Some(claim) = self.products.claim(0).await.unwrap() {
                break claim;
            }
            tokio::task::yield_now().await;
        };
        loop {
            let unsent = claim.unsent(50).await.unwrap();
            if unsent.is_empty() {
                break;
            }
            let sent: Vec<Sent> = {
                let mut broker = self.broker.lock();
                unsent.into_iter().map(|unsent| broker.publish(unsent)).collect()
            };
            claim.sent(&sent).await.unwrap();
        }
    }
}

#[async_trait]
impl Subject for Mongodb {
    fn store(&self) -> Arc<dyn ProductStore> {
        Arc::new(self.products.clone())
    }

    async fn other_instance(&self) -> Option<Arc<dyn ProductStore>> {
        Some(Arc::new(open(self.uri, &self.database).await))
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        self.relay().await;
        self.broker.lock().records.clone()
    }

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        let Self { uri, database, products, broker } = *self;
        products.close();
        drop(products);
        Box::new(Self { products: open(uri, &database).await, uri, database, broker })
    }
}

#[tokio::test]
async fn conforms() {
    let Some(server) = shared::mongo().await else { return };
    suite::run_all(|| async { Box::new(fresh(server.uri()).await) as Box<dyn Subject> }).await;
}

#[tokio::test]
async fn instances_may_prepare_the_same_database_at_once() {
    let Some(server) = shared::mongo().await else { return };
    let database = unique_name("products");
    let all = futures_util::future::join_all((0..4).map(|_| open(server.uri(), &database))).await;
    let names: Vec<_> = all.iter().map(holdfast_storage::Outbox::incarnation).collect();
    assert!(names.windows(2).all(|two| two[0] == two[1]), "one database has one name");
}

/// As an operator meets it who goes back to an older build after an upgrade.
#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let known = super::schema::VERSION;
    let versions = subject.products.collections.mongo.database().collection::<Document>("schema");
    let newer = doc! { "$set": { "version": i64::from(known) + 1 } };
    versions.update_one(doc! { "_id": "products" }, newer).await.unwrap();
    for _ in 0..2 {
        let refused = subject.products.prepare().await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found, .. } if found == known + 1), "{refused}");
        assert!(refused.to_string().contains("start the build that wrote it"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_connection_string_is_refused() {
    let refused = crate::database::Database::open_mongodb("localhost:27017", "products").await.err();
    let Some(StoreError::Inconsistent(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("MONGODB_URI"), "{why}");
}
