//! What checks see: every commit once, right after it took effect, and all of it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use holdfast_contract::Topic;
use holdfast_orders::store::{Commit, OrderWrites};
use holdfast_products::store::{StockCommit, StockWrites};
use holdfast_sim::memory::{MemoryOrders, MemoryProducts};
use holdfast_storage::suite::outgoing;
use holdfast_storage::{Advance, Incarnation, Position, Seq, StoreError, TopicPartition};
use parking_lot::Mutex;

use super::instances::creation;
use super::options;

#[tokio::test]
async fn every_commit_is_seen_once_and_whole() {
    let products = MemoryProducts::new(&options(1));
    let seen = Arc::new(Mutex::new(Vec::new()));
    products.on_commit({
        let (products, seen) = (products.clone(), seen.clone());
        move |number| {
            let now = products.look(|view| {
                (view.commits(), view.newest().0, view.shelves().count(), view.movements(None).len())
            });
            assert_eq!(now.0, number);
            seen.lock().push(now);
        }
    });
    let with_record =
        StockCommit { outgoing: vec![outgoing(Topic::StockChanged, 1)], ..StockCommit::default() };
    StockWrites::commit(&products, with_record).await.unwrap();
    // A later handle is seen too; what takes no effect is not.
    let products = products.open();
    StockWrites::commit(&products, creation(None)).await.unwrap();
    StockWrites::commit(&products, creation(None)).await.unwrap_err();
    StockWrites::commit(&products, StockCommit::default()).await.unwrap();
    assert_eq!(*seen.lock(), [(1, 1, 0, 0), (2, 1, 1, 1)]);
    let changed = products.look(|view| view.changed().to_vec());
    assert_eq!(changed.len(), 1);
    products.look(|view| assert_eq!(view.shelf(changed[0]).map(|s| s.level.on_hand()), Some(10)));
}

#[tokio::test]
async fn positions_records_and_what_is_parked_are_seen() {
    let orders = MemoryOrders::new(&options(1));
    let partition =
        TopicPartition { topic: Topic::InventoryReserved, partition: holdfast_contract::Partition(0) };
    let to = Position { incarnation: Incarnation(1), next: 4 };
    let advances = vec![Advance { group: "g", partition, from: None, to }];
    let copies = (0..3).map(|n| outgoing(Topic::OrderLive, n)).collect();
    orders.commit(Commit { copies, advances, ..Commit::default() }).await.unwrap();
    orders.look(|view| {
        assert_eq!(view.position("g", partition), Some(to));
        assert_eq!(view.positions().collect::<Vec<_>>(), [("g", partition, to)]);
        assert_eq!(view.records(Seq(1)).map(|record| record.seq).collect::<Vec<_>>(), [Seq(2), Seq(3)]);
        assert_eq!((view.count(), view.parked().count(), view.published()), (0, 0, Seq(0)));
    });
}

/// A simulation chooses where a step is interrupted: inside a call of the store there is no such place.
#[tokio::test]
async fn calls_are_done_at_their_first_poll() {
    let products = MemoryProducts::new(&options(1));
    let commit = pin!(StockWrites::commit(&products, creation(None)));
    let done = commit.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(done, Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn a_record_of_another_services_topic_is_refused() {
    let orders = MemoryOrders::new(&options(1));
    let copies = vec![outgoing(Topic::OrderLive, 1), outgoing(Topic::StockChanged, 1)];
    let refused = orders.commit(Commit { copies, ..Commit::default() }).await;
    assert!(
        matches!(refused, Err(holdfast_orders::store::CommitError::Store(StoreError::Inconsistent(_)))),
        "{refused:?}"
    );
    assert_eq!(orders.look(|view| (view.newest(), view.commits())), (Seq(0), 0));
}
