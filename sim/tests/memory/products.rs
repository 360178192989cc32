//! The Products store.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_products::store::ProductStore;
use holdfast_products::suite::{self, Subject};
use holdfast_sim::memory::{MemoryOptions, MemoryProducts, Outlet};
use holdfast_storage::{Record, Seq};
use parking_lot::Mutex;

use super::{Broker, options, relay};

struct Memory {
    products: MemoryProducts,
    /// What its relay has published, if it has one.
    broker: Option<Mutex<Broker>>,
}

fn one() -> Box<dyn Subject> {
    Box::new(Memory { products: MemoryProducts::new(&options(1)), broker: None })
}

fn several() -> Box<dyn Subject> {
    let options = MemoryOptions { outlet: Outlet::Outbox, shared: true, ..options(1) };
    Box::new(Memory { products: MemoryProducts::new(&options), broker: Some(Mutex::default()) })
}

#[async_trait]
impl Subject for Memory {
    fn store(&self) -> Arc<dyn ProductStore> {
        Arc::new(self.products.clone())
    }

    async fn other_instance(&self) -> Option<Arc<dyn ProductStore>> {
        if !self.products.options().shared {
            return None;
        }
        Some(Arc::new(self.products.open()))
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        match &self.broker {
            Some(broker) => relay(&*self.products.outbox(), broker).await,
            None => self.products.journal().read(Seq(0), usize::MAX).await.unwrap(),
        }
    }

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        let Self { products, broker } = *self;
        products.close();
        Box::new(Self { products: products.open(), broker })
    }
}

#[tokio::test]
async fn conforms_with_one_instance() {
    suite::run_all(|| async { one() }).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_with_several_instances() {
    suite::run_all(|| async { several() }).await;
}
