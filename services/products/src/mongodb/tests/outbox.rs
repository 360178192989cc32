//! The outbox suite, and records by the thousand.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Timestamp, Topic};
use holdfast_servers::{shared, unique_name};
use holdfast_storage::suite::outbox::{Harness, Subject, run};
use holdfast_storage::{Outbox, Outgoing};
use mongodb::bson::{DateTime, doc};

use super::super::MongoProducts;
use super::{fresh, open};
use crate::store::{StockCommit, StockWrites as _};

struct Products(MongoProducts);

#[async_trait]
impl Subject for Products {
    async fn append(&self, records: Vec<Outgoing>) {
        self.0.commit(StockCommit { outgoing: records, ..StockCommit::default() }).await.unwrap();
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.0.clone())
    }

    async fn lapse(&self, shard: u16) -> bool {
        let over = doc! { "$set": { "until": DateTime::MIN } };
        let shards = &self.0.collections.shards;
        shards.update_one(doc! { "_id": i32::from(shard) }, over).await.unwrap().matched_count == 1
    }

    async fn close(&self) {
        self.0.close();
    }
}

struct Databases {
    uri: &'static str,
    prefix: String,
}

#[async_trait]
impl Harness for Databases {
    async fn open(&self, n: u32) -> Arc<dyn Subject> {
        Arc::new(Products(open(self.uri, &format!("{}-{n}", self.prefix)).await))
    }
}

#[tokio::test]
async fn holds_to_the_specification() {
    let Some(server) = shared::mongo().await else { return };
    run(&Databases { uri: server.uri(), prefix: unique_name("outbox") }).await;
}

fn record(n: usize) -> Outgoing {
    Outgoing {
        topic: Topic::InventoryReserved,
        key: Bytes::from(format!("key-{}", n % 7)),
        payload: Bytes::from(format!("{{\"n\":{n}}}")),
        at: Timestamp::from_millis(0),
        traceparent: None,
    }
}

/// A commit's records are in several documents, which are read and removed as a whole.
#[tokio::test]
async fn a_commit_with_thousands_of_records_goes_out_in_order_and_leaves_nothing() {
    const COMMITS: usize = 3;
    const RECORDS: usize = 2_500;
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    for commit in 0..COMMITS {
        let outgoing = (commit * RECORDS..(commit + 1) * RECORDS).map(record).collect();
        subject.products.commit(StockCommit { outgoing, ..StockCommit::default() }).await.unwrap();
    }
    let outbox = &subject.products.collections.outbox;
    assert_eq!(outbox.count_documents(doc! {}).await.unwrap(), COMMITS as u64 * 3);
    subject.relay().await;
    let sent: Vec<_> = subject.broker.lock().records.iter().map(|record| record.payload.clone()).collect();
    let made: Vec<_> = (0..COMMITS * RECORDS).map(|n| record(n).payload).collect();
    assert!(sent == made, "in the order of the commits");
    assert_eq!(outbox.count_documents(doc! {}).await.unwrap(), 0);
}

/// What one owner has recorded of a document in part, the next one does not give.
#[tokio::test]
async fn an_owner_goes_on_in_the_middle_of_a_document() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    for commit in 0..2 {
        let outgoing = (commit * 20..(commit + 1) * 20).map(record).collect();
        subject.products.commit(StockCommit { outgoing, ..StockCommit::default() }).await.unwrap();
    }
    let mut expected = Vec::new();
    {
        let mut claim = subject.products.claim(0).await.unwrap().unwrap();
        let given = claim.unsent(100).await.unwrap();
        // Every other one, and all of the second document: nothing can be removed yet.
        let mut sent = Vec::new();
        for (n, unsent) in given.into_iter().enumerate() {
            if n % 2 == 0 || n >= 20 {
                sent.push(subject.broker.lock().publish(unsent));
            } else {
                expected.push(unsent);
            }
        }
        claim.sent(&sent).await.unwrap();
    }
    let mut claim = loop {
        match subject.products.claim(0).await.unwrap() {
            Some(claim) => break claim,
            None => tokio::task::yield_now().await,
        }
    };
    let given = claim.unsent(100).await.unwrap();
    assert_eq!(given, expected);
    let sent: Vec<_> = given.into_iter().map(|unsent| subject.broker.lock().publish(unsent)).collect();
    claim.sent(&sent).await.unwrap();
    assert_eq!(subject.products.collections.outbox.count_documents(doc! {}).await.unwrap(), 0);
}
