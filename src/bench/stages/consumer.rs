//! Products' consumer, on requests that are in Kafka already.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::worker::{self, Handler};
use holdfast_bus::{Batch, Bus, KafkaBus, PRODUCTS_GROUP};
use holdfast_contract::Topic;
use holdfast_products::consumer::{MAX_BATCH, StockHandler};
use holdfast_products::decider::{self, Decider};
use holdfast_products::service::Database;
use holdfast_service::{Clock, Lifecycle, Steps, SystemClock};
use holdfast_storage::StoreError;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::per_second;

/// Orders that are enough where each is a transaction of its own.
pub(super) const ONE_BY_ONE: u64 = 2_000;

/// Orders per second, from the first commit to the last of `count`; `max` bounds a batch, else it is the service's own
/// bound. The database's group must not have been there before.
pub(super) async fn rate(
    database: &Database,
    bus: &KafkaBus,
    count: u64,
    max: Option<usize>,
) -> anyhow::Result<f64> {
    with_decider(database, async |decider: Decider| {
        let consumer = bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, database.store.clone()).await?;
        let stop = CancellationToken::new();
        let mut timed =
            Timed { handler: StockHandler::new(decider), count, seen: 0, first: None, stop: stop.clone() };
        let max = max.unwrap_or(MAX_BATCH);
        worker::run(consumer, &mut timed, max, stop).await;
        let (seen_before, first) = timed.first.unwrap_or((0, Instant::now()));
        Ok(per_second(timed.seen - seen_before, first.elapsed()))
    })
    .await
}

/// Runs `work` with a decider on the database.
pub(super) async fn with_decider<T>(
    database: &Database,
    work: impl AsyncFnOnce(Decider) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lifecycle = Lifecycle::new(Duration::from_secs(10));
    let (decider, actor) = decider::start(database.store.clone(), clock.clone(), Steps::new(clock));
    lifecycle.spawn("bench decider", actor.run(CancellationToken::new()));
    let done = work(decider).await;
    // The decider has ended with the last one who could ask it.
    lifecycle.shutdown();
    lifecycle.wait().await;
    done
}

/// Notes when what was committed.
struct Timed {
    handler: StockHandler,
    count: u64,
    seen: u64,
    /// What the first commit had, and when it was done: joining the group and reading the stock is not counted.
    first: Option<(u64, Instant)>,
    stop: CancellationToken,
}

#[async_trait]
impl Handler for Timed {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.handler.handle(batch).await?;
        self.seen += batch.records.len() as u64;
        self.first.get_or_insert_with(|| (self.seen, Instant::now()));
        if self.seen >= self.count {
            self.stop.cancel();
        }
        Ok(())
    }
}
