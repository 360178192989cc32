//! The bus on a real Kafka broker: the conformance suite, and what only a broker can do to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tasks of a test end with it")]

mod groups;
mod outages;
mod reading;
mod security;
mod support;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::suite::{self, Harness, World};
use holdfast_servers::shared;

use support::Cluster;

struct Clusters {
    brokers: String,
}

#[async_trait]
impl Harness for Clusters {
    async fn world(&self) -> Arc<dyn World> {
        Arc::new(Cluster::new(&self.brokers).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let Some(kafka) = shared::kafka().await else { return };
    suite::run(&Clusters { brokers: kafka.brokers().to_owned() }).await;
}
