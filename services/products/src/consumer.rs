//! Takes the batches of `inventory.reserve`, `inventory.release` and `order.status.changed` to the decider.

use async_trait::async_trait;
use holdfast_bus::worker::Handler;
use holdfast_bus::{Batch, PRODUCTS_GROUP};
use holdfast_service::Steps;
use holdfast_storage::StoreError;

use crate::decider::Decider;

/// Records of a batch at most: more gains nothing, and keeps the first ones waiting.
pub const MAX_BATCH: usize = 512;

/// The handler of the Products service's consumer.
pub struct StockHandler {
    decider: Decider,
    /// Where it is told what came from a broker; `None` on the embedded bus, where nothing travels.
    steps: Option<Steps>,
}

impl StockHandler {
    /// Hands batches to `decider`.
    pub fn new(decider: Decider) -> Self {
        Self { decider, steps: None }
    }

    /// Also tells of each message that came.
    pub fn telling(self, steps: Steps) -> Self {
        Self { steps: Some(steps), ..self }
    }
}

#[async_trait]
impl Handler for StockHandler {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(steps) = &self.steps {
            for record in &batch.records {
                steps.say(|| format!("Received from Kafka topic '{}'", record.topic));
            }
        }
        self.decider.batch(batch.records.clone(), batch.advances(PRODUCTS_GROUP)).await
    }
}
