//! The embedded bus over the journals.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::suite::{self, Harness, World};
use holdfast_bus::{Bus, EmbeddedBus};
use holdfast_orders::store::{Commit, OrderWrites};
use holdfast_products::store::{StockCommit, StockWrites};
use holdfast_sim::memory::{MemoryOrders, MemoryProducts};
use holdfast_storage::{Advance, Inbox, Journal, Outgoing, Seq, StoreError};

use super::options;

struct OneMachine {
    orders: MemoryOrders,
    products: MemoryProducts,
    bus: EmbeddedBus,
}

#[async_trait]
impl World for OneMachine {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.bus.clone())
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.products.clone())
    }

    async fn publish(&self, records: Vec<Outgoing>) {
        self.orders.commit(Commit { copies: records, ..Commit::default() }).await.unwrap();
    }

    async fn advance(&self, advances: Vec<Advance>) -> Result<(), StoreError> {
        let commit = StockCommit { advances, ..StockCommit::default() };
        Ok(StockWrites::commit(&self.products, commit).await?)
    }

    async fn forget_some(&self) {
        self.orders.trim(Seq(60)).await.unwrap();
    }
}

struct Machines;

#[async_trait]
impl Harness for Machines {
    async fn world(&self) -> Arc<dyn World> {
        let (orders, products) = (MemoryOrders::new(&options(1)), MemoryProducts::new(&options(2)));
        let bus = EmbeddedBus::new(vec![orders.journal(), products.journal()]);
        Arc::new(OneMachine { orders, products, bus })
    }
}

#[tokio::test]
async fn conforms() {
    suite::run(&Machines).await;
}
