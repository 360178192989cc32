//! The Orders store.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_orders::store::OrderStore;
use holdfast_orders::suite::{self, Subject};
use holdfast_sim::memory::{MemoryOptions, MemoryOrders, Outlet};
use holdfast_storage::{Inbox, Journal, Record, Seq};
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
