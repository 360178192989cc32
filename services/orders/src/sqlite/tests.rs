//! The embedded back-end against the suite, and what is its own: the index that follows behind.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::Keeps;
use holdfast_contract::Timestamp;
use holdfast_storage::{Inbox, Journal, Record, Seq};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{SqliteOptions, SqliteOrders};
use crate::store::{ListQuery, OrderReads, OrderStore};
use crate::suite::{self, Subject};

struct Sqlite {
    folder: TempDir,
    orders: Arc<SqliteOrders>,
}

async fn open(folder: &TempDir) -> Arc<SqliteOrders> {
    SqliteOrders::open(&SqliteOptions::new(folder.path().join("orders.db"))).await.unwrap()
}

async fn fresh() -> Sqlite {
    let folder = TempDir::new().unwrap();
    Sqlite { orders: open(&folder).await, folder }
}

#[async_trait]
impl Subject for Sqlite {
    fn store(&self) -> Arc<dyn OrderStore> {
        self.orders.clone()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.orders.database().clone()
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        Journal::read(&**self.orders.database(), Seq(0), usize::MAX).await.unwrap()
    }

    async fn forget_outgoing(&self) {
        let newest = *self.orders.database().committed().borrow();
        while self.orders.database().trim(newest).await.unwrap() > 0 {}
    }

    async fn settle(&self) {
        self.orders.flush_index().await.unwrap();
    }

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        let Self { folder, orders } = *self;
        orders.database().close().await;
        drop(orders);
        Box::new(Self { orders: open(&folder).await, folder })
    }
}

#[tokio::test]
async fn holds_to_the_specification() {
    suite::run_all(|| async { Box::new(fresh().await) as Box<dyn Subject> }).await;
}

#[tokio::test]
async fn the_watermark_moves_only_with_the_index() {
    let subject = fresh().await;
    assert_eq!(subject.orders.done_with(), Seq(0));
    suite::some_orders(&subject, 0, 3).await;
    assert_eq!(subject.orders.done_with(), Seq(0));
    assert_eq!(subject.orders.flush_index().await.unwrap(), 3);
    let newest = *subject.orders.database().committed().borrow();
    assert_eq!(subject.orders.done_with(), newest);
    assert_eq!(subject.orders.overlay.len(), 0);
    assert_eq!(subject.orders.flush_index().await.unwrap(), 0);
    suite::some_orders(&subject, 3, 2).await;
    // Only what came after the watermark is found again.
    let Sqlite { folder, orders } = subject;
    orders.database().close().await;
    drop(orders);
    let orders = open(&folder).await;
    assert_eq!(orders.done_with(), newest);
    assert_eq!(orders.overlay.len(), 2);
    assert_eq!(orders.list(&ListQuery::default()).await.unwrap().total, 5);
}

#[tokio::test]
async fn the_indexer_catches_up_when_it_is_stopped() {
    let subject = fresh().await;
    suite::some_orders(&subject, 0, 2_500).await;
    let stop = CancellationToken::new();
    stop.cancel();
    subject.orders.keep_indexed(stop).await;
    assert_eq!(subject.orders.overlay.len(), 0);
    assert_eq!(subject.orders.list(&ListQuery::default()).await.unwrap().total, 2_500);
}

#[tokio::test]
async fn a_damaged_row_is_not_served() {
    let subject = fresh().await;
    suite::some_orders(&subject, 0, 1).await;
    subject.orders.flush_index().await.unwrap();
    let order = subject.orders.list(&ListQuery::default()).await.unwrap().orders.remove(0);
    let damage: Result<usize, holdfast_storage::StoreError> = subject
        .orders
        .database()
        .write(|tx| Ok(tx.connection().execute("UPDATE orders SET version = 7", [])?))
        .await;
    assert_eq!(damage.unwrap(), 1);
    let error = subject.orders.get(order.id).await.unwrap_err();
    assert!(matches!(error, holdfast_storage::StoreError::Inconsistent(_)), "{error}");
}

/// Lists are read while the index moves under them: nothing is missing at any moment.
#[tokio::test]
async fn own_writes_are_listed_while_the_index_moves() {
    let subject = fresh().await;
    let done = CancellationToken::new();
    let writes = async {
        for n in 0..200 {
            suite::some_orders(&subject, n, 1).await;
            let page = subject.orders.list(&ListQuery { limit: 500, ..ListQuery::default() }).await.unwrap();
            assert_eq!(page.orders.len(), n as usize + 1);
            assert!(page.total > n as usize);
            let due = subject.orders.outstanding(Timestamp::from_millis(i64::MAX), None, 500).await.unwrap();
            assert_eq!(due.len(), n as usize + 1);
        }
        done.cancel();
    };
    let flushes = async {
        while !done.is_cancelled() {
            subject.orders.flush_index().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(writes, flushes);
    subject.orders.flush_index().await.unwrap();
    assert_eq!(subject.orders.list(&ListQuery::default()).await.unwrap().total, 200);
}
