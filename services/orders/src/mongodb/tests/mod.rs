//! The distributed back-end against the suites, and what is its own. Needs a server: says SKIPPED where there is none.

#![allow(clippy::disallowed_methods, reason = "tasks of a test end with it")]

mod abandoned;
mod contention;
mod faults;
mod outbox;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::topic::partition_of;
use holdfast_servers::{shared, unique_name};
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use holdfast_storage::{Claim as _, Inbox, Incarnation, Record, Sent, Seq, TopicPartition, Unsent};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::{MongoOrders, MongoOrdersOptions, SHARDS};
use crate::store::OrderStore;
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
        // Not from 0, so that offsets differ from counts.
        let end = self.ends.entry(at).or_insert(100);
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
    orders: Arc<MongoOrders>,
    broker: Mutex<Broker>,
}

async fn open(uri: &str, database: &str) -> Arc<MongoOrders> {
    let options =
        MongoOptions { uri: uri.to_owned(), database: database.to_owned(), app_name: database.to_owned() };
    let mongo = Mongo::new(&options).await.unwrap();
    let orders = MongoOrders::new(mongo, &MongoOrdersOptions::default());
    orders.prepare().await.unwrap();
    orders
}

async fn fresh(uri: &'static str) -> Mongodb {
    let database = unique_name("orders");
    Mongodb { orders: open(uri, &database).await, uri, database, broker: Mutex::default() }
}

impl Mongodb {
    /// Publishes what is unsent, and records it.
    async fn relay(&self) {
        for shard in 0..SHARDS {
            let mut claim = self.orders.claim_shard(shard).await.unwrap().expect("nobody else relays");
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
            claim.claim.give_back().await;
        }
    }
}

#[async_trait]
impl Subject for Mongodb {
    fn store(&self) -> Arc<dyn OrderStore> {
        self.orders.clone()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.orders.inbox()
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        self.relay().await;
        self.broker.lock().records.clone()
    }

    // A broker forgets by itself.
    async fn forget_outgoing(&self) {}

    // Nothing follows behind.
    async fn settle(&self) {}

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        self.orders.close().await;
        let Self { uri, database, orders, broker } = *self;
        drop(orders);
        Box::new(Self { orders: open(uri, &database).await, uri, database, broker })
    }
}

#[tokio::test]
async fn holds_to_the_specification() {
    let Some(server) = shared::mongo().await else { return };
    suite::run_all(|| async { Box::new(fresh(server.uri()).await) as Box<dyn Subject> }).await;
}
