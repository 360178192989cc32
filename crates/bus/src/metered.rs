//! What an operator sees of a consumer.

use async_trait::async_trait;
use holdfast_storage::{Group, StoreError};
use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::Instant;

use crate::Batch;
use crate::worker::Handler;

/// Counts and times the batches of another handler.
pub struct Metered<H> {
    handler: H,
    batch_messages: Histogram,
    batch_seconds: Histogram,
    messages: Counter,
    stale: Counter,
    failed: Counter,
}

impl<H: Handler> Metered<H> {
    /// Install the metrics recorder first: what is made before it records nothing.
    pub fn new(group: Group, handler: H) -> Self {
        let errors =
            |reason: &'static str| counter!("consumer_errors_total", "group" => group, "reason" => reason);
        Self {
            handler,
            batch_messages: histogram!("consumer_batch_messages", "group" => group),
            batch_seconds: histogram!("consumer_batch_seconds", "group" => group),
            messages: counter!("consumer_messages_total", "group" => group),
            stale: errors("stale"),
            failed: errors("failed"),
        }
    }
}

#[async_trait]
impl<H: Handler> Handler for Metered<H> {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let start = Instant::now();
        let result = self.handler.handle(batch).await;
        self.batch_seconds.record(start.elapsed().as_secs_f64());
        match &result {
            Ok(()) => {
                self.batch_messages.record(batch.records.len() as f64);
                self.messages.increment(batch.records.len() as u64);
            }
            Err(error) if error.is_stale() => self.stale.increment(1),
            Err(_) => self.failed.increment(1),
        }
        result
    }
}
