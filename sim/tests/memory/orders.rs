//! The Orders store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_contract::{OrderId, Timestamp};
use holdfast_orders::store::{OrderReads, OrderStore};
use holdfast_orders::suite::{self, Subject};
use holdfast_service::backend::Duty;
use holdfast_sim::memory::{MemoryOptions, MemoryOrders, Outlet};
use holdfast_storage::{Inbox, Incarnation, Journal, Record, Seq};
use parking_lot::Mutex;

use super::{Broker, options, relay};

struct Memory {
    orders: MemoryOrders,
    /// What its relay has published, if it has one.
    broker: Option<Mutex<Broker>>,
}

fn fresh(outlet: Outlet, shards: u16) -> Box<dyn Subject> {
    let orders = MemoryOrders::new(&MemoryOptions { outlet, shards, ..options(1) });
    Box::new(Memory { orders, broker: (outlet == Outlet::Outbox).then(Mutex::default) })
}

#[async_trait]
impl Subject for Memory {
    fn store(&self) -> Arc<dyn OrderStore> {
        Arc::new(self.orders.clone())
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.orders.clone())
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        match &self.broker {
            Some(broker) => relay(&*self.orders.outbox(), broker).await,
            None => self.orders.journal().read(Seq(0), usize::MAX).await.unwrap(),
        }
    }

    async fn forget_outgoing(&self) {
        let newest = self.orders.look(|view| match self.broker {
            Some(_) => view.published(),
            None => view.newest(),
        });
        while self.orders.trim(newest).await.unwrap() > 0 {}
        assert_eq!(self.orders.look(|view| view.records(Seq(0)).count()), 0);
    }

    async fn settle(&self) {}

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        let Self { orders, broker } = *self;
        orders.close();
        Box::new(Self { orders: orders.open(), broker })
    }
}

#[tokio::test]
async fn conforms_with_a_journal() {
    suite::run_all(|| async { fresh(Outlet::Journal, 1) }).await;
}

#[tokio::test]
async fn conforms_behind_a_relay() {
    suite::run_all(|| async { fresh(Outlet::Outbox, 1) }).await;
    suite::run_all(|| async { fresh(Outlet::Outbox, 4) }).await;
}

fn orders(outlet: Outlet) -> MemoryOrders {
    MemoryOrders::new(&MemoryOptions { outlet, ..options(1) })
}

async fn place(orders: MemoryOrders) -> (Box<dyn Subject>, OrderId) {
    let subject: Box<dyn Subject> = Box::new(Memory { orders: orders.clone(), broker: None });
    suite::some_orders(&*subject, 1, 1).await;
    let id = orders.look(|view| view.newest_order()).unwrap();
    (subject, id)
}

async fn offsets(orders: &MemoryOrders, id: OrderId) -> Vec<Option<u64>> {
    let timeline = orders.timeline(id).await.unwrap().unwrap();
    let step = &timeline.steps[0];
    let places = step.outgoing.iter().map(|sent| sent.place).chain(step.live.iter().map(|live| live.place));
    places.map(|place| place.offset).collect()
}

#[tokio::test]
async fn what_is_unpublished_has_no_place_yet_and_is_not_forgotten() {
    let orders = orders(Outlet::Outbox);
    let (_, id) = place(orders.clone()).await;
    assert_eq!(offsets(&orders, id).await, [None; 3]);
    let late = Timestamp::from_millis(i64::MAX);
    assert!(orders.outstanding(late, None, 9).await.unwrap().is_empty());
    relay(&*orders.outbox(), &Mutex::default()).await;
    assert_eq!(offsets(&orders, id).await, [Some(1_000); 3]);
    assert_eq!(orders.outstanding(late, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_published_journal_knows_both_places() {
    let orders = orders(Outlet::PublishedJournal);
    let (_, id) = place(orders.clone()).await;
    let first = orders.look(|view| view.records(Seq(0)).next().cloned()).unwrap();
    assert_eq!(orders.unpublished().oldest().await.unwrap(), Some(first.at));
    assert_eq!(orders.places().at_broker(first.topic_partition(), 0).await.unwrap(), None);
    relay(&*orders.outbox(), &Mutex::default()).await;
    assert_eq!(orders.unpublished().oldest().await.unwrap(), None);
    assert_eq!(orders.places().at_broker(first.topic_partition(), 0).await.unwrap(), Some(1_000));
    assert_eq!(orders.places().at_broker(first.topic_partition(), 1).await.unwrap(), None);
    assert_eq!(offsets(&orders, id).await, [Some(0); 3], "of the journal");
}

#[tokio::test(start_paused = true)]
async fn one_instance_asks_for_what_is_forgotten() {
    let disk = MemoryOrders::new(&MemoryOptions::several(Incarnation(1)));
    let (one, other) = (disk.open(), disk.open());
    assert!(one.is_mine().await.unwrap() && !other.is_mine().await.unwrap());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(one.is_mine().await.unwrap());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!other.is_mine().await.unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(other.is_mine().await.unwrap() && !one.is_mine().await.unwrap());
}
