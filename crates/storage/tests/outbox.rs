//! The journal as an outbox: the conformance suite, and what is its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::sqlite::{Database, JournalOutbox, Migrations, Options};
use holdfast_storage::suite::outbox::{self, Harness, Subject};
use holdfast_storage::suite::{order_key, outgoing};
use holdfast_storage::{
    Claim, Incarnation, Journal, Outbox, Outgoing, Places, Sent, Seq, StoreError, TopicPartition, Unsent,
};

const NONE: Migrations = Migrations { component: "test", steps: &[] };

struct Sqlite {
    db: Arc<Database>,
    outbox: Arc<JournalOutbox>,
}

#[async_trait]
impl Subject for Sqlite {
    async fn append(&self, records: Vec<Outgoing>) {
        append(&self.db, records).await;
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.outbox.clone()
    }

    async fn lapse(&self, _shard: u16) -> bool {
        false
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn sqlite(&self, n: u32) -> Sqlite {
        let path = self.0.path().join(format!("{n}.db"));
        // Little in memory, so that it is also read from the disk.
        let options = Options { tail_bytes: 4_000, ..Options::new(path, NONE, Topic::FROM_ORDERS) };
        let db = Arc::new(Database::open(&options).unwrap());
        Sqlite { outbox: Arc::new(JournalOutbox::open(db.clone()).await.unwrap()), db }
    }
}

#[async_trait]
impl Harness for Folder {
    async fn open(&self, n: u32) -> Arc<dyn Subject> {
        Arc::new(self.sqlite(n).await)
    }
}

async fn append(db: &Database, records: Vec<Outgoing>) {
    db.write(move |tx| {
        for record in records {
            tx.append(record)?;
        }
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn conforms() {
    outbox::run(&Folder::new()).await;
}

const TOPIC: Topic = Topic::OrderLive;

async fn claim(outbox: &JournalOutbox) -> Box<dyn Claim> {
    outbox.claim(0).await.unwrap().unwrap()
}

fn sent(unsent: &Unsent, partition: Partition, offset: u64) -> Sent {
    let partition = TopicPartition { topic: unsent.record.topic, partition };
    Sent { id: unsent.id, partition, incarnation: Incarnation(5), offset }
}

#[tokio::test]
async fn places_follow_the_broker_through_gaps_and_a_new_log() {
    let folder = Folder::new();
    let Sqlite { db, outbox } = folder.sqlite(1).await;
    append(&db, vec![outgoing(TOPIC, 1); 30]).await;
    let here = holdfast_contract::topic::partition_of(&order_key(1), 3);
    let at = TopicPartition { topic: TOPIC, partition: here };
    let mut claim = claim(&outbox).await;
    let given = claim.unsent(30).await.unwrap();
    // Somebody else wrote five records into the log after ours number 9.
    let offset = |n: usize| 1_000 + n as u64 + if n < 10 { 0 } else { 5 };
    for part in [0..4, 4..13, 13..20] {
        let records: Vec<Sent> = part.map(|n| sent(&given[n], here, offset(n))).collect();
        claim.sent(&records).await.unwrap();
    }
    for n in 0..30 {
        let expected = (n < 20).then(|| offset(n));
        assert_eq!(outbox.at_broker(at, n as u64).await.unwrap(), expected, "record {n}");
    }
    let ranges = "SELECT count(*) FROM outbox_places";
    let count: u32 = db.read(|c| Ok(c.query_row(ranges, [], |row| row.get(0))?)).await.unwrap();
    assert_eq!(count, 2, "a row for each piece, not for each record");
    let fresh = Sent { incarnation: Incarnation(6), ..sent(&given[20], here, 0) };
    claim.sent(&[fresh]).await.unwrap();
    assert_eq!(outbox.at_broker(at, 19).await.unwrap(), None, "its log is gone");
    assert_eq!(outbox.at_broker(at, 20).await.unwrap(), Some(0));
    // A broker with other partitions than the journal: published, but nobody knows where.
    let elsewhere = Sent { incarnation: Incarnation(6), ..sent(&given[21], Partition(7), 3) };
    claim.sent(&[elsewhere]).await.unwrap();
    assert_eq!(outbox.at_broker(at, 21).await.unwrap(), None);
    assert_eq!(outbox.published(), Seq(22));
    let reached = claim.reached().await.unwrap();
    assert!(reached.iter().any(|(at, position)| at.partition == Partition(7) && position.next == 4));
}

#[tokio::test]
async fn published_never_passes_a_record_that_is_unsent() {
    let folder = Folder::new();
    let Sqlite { db, outbox } = folder.sqlite(1).await;
    append(&db, (0..10).map(|n| outgoing(TOPIC, n)).collect()).await;
    let mut claim = claim(&outbox).await;
    let given = claim.unsent(10).await.unwrap();
    let record = |n: usize| sent(&given[n], Partition(0), n as u64);
    claim.sent(&[record(0), record(2), record(3)]).await.unwrap();
    assert_eq!(outbox.published(), Seq(1));
    claim.sent(&[record(1)]).await.unwrap();
    assert_eq!(outbox.published(), Seq(4));
    claim.sent(&[record(9)]).await.unwrap();
    assert_eq!(outbox.published(), Seq(4));
    drop(claim);
    db.close().await;
    let Sqlite { outbox, .. } = folder.sqlite(1).await;
    assert_eq!(outbox.published(), Seq(4));
    let left = outbox.claim(0).await.unwrap().unwrap().unsent(100).await.unwrap();
    assert_eq!(left, given[4..9]);
}

#[tokio::test]
async fn what_was_forgotten_without_a_broker_is_not_waited_for() {
    let folder = Folder::new();
    let Sqlite { db, outbox } = folder.sqlite(1).await;
    append(&db, (0..10).map(|n| outgoing(TOPIC, n)).collect()).await;
    db.trim(Seq(6)).await.unwrap();
    let mut claim = claim(&outbox).await;
    let given = claim.unsent(10).await.unwrap();
    assert_eq!(given.iter().map(|u| u.id.number).collect::<Vec<_>>(), [7, 8, 9, 10]);
    claim.sent(&[sent(&given[0], Partition(0), 0)]).await.unwrap();
    assert_eq!(outbox.published(), Seq(7));
}
