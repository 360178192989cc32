//! From a database to Kafka, and what the client library alone does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use holdfast_bus::kafka::{KafkaPublisher, ProducerOptions, Scanned, record_headers};
use holdfast_bus::relay::{Relay, RelayOptions};
use holdfast_bus::{Bus, KafkaBus};
use holdfast_contract::Topic;
use holdfast_orders::service as orders;
use holdfast_service::{Clock, SystemClock};
use holdfast_storage::{Outgoing, StoreError};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::per_second;

const SOURCE: &str = "/holdfast/orders";

/// Publishes everything that a database has to say; gives messages per second, from the first look at the database until
/// the last message was recorded as sent.
pub(super) async fn relay(
    database: &orders::Database,
    bus: &KafkaBus,
    stop: &CancellationToken,
) -> anyhow::Result<f64> {
    let outbox = database.outbox.clone().context("this database has no outbox")?;
    let expected = unsent(database).await?;
    let (told, mut published) = watch::channel(0u64);
    let mut options = RelayOptions::new("bench", Arc::new(|| SystemClock.now()));
    options.on_published = Some(Arc::new(move |_, _| told.send_modify(|count| *count += 1)));
    let publisher = Arc::new(KafkaPublisher::new(bus.clone(), SOURCE, ProducerOptions::default()));
    let done = stop.child_token();
    let started = Instant::now();
    let relay = Relay::new(outbox, publisher, options).run(done.clone());
    let all = async {
        // It ends when the relay does, too.
        let _ = published.wait_for(|count| *count >= expected).await;
        done.cancel();
    };
    tokio::join!(relay, all);
    let count = *published.borrow();
    anyhow::ensure!(stop.is_cancelled() || count >= expected, "only {count} of {expected} were published");
    Ok(per_second(count, started.elapsed()))
}

/// How many records wait in a database.
async fn unsent(database: &orders::Database) -> Result<u64, StoreError> {
    // Three for each order: the request, the event, and what live clients are told.
    let mut orders = 0;
    let mut last = None;
    loop {
        let page = database.store.scan(last, 1_000).await?;
        let Some(newest) = page.last() else { return Ok(orders * 3) };
        last = Some(newest.id);
        orders += page.len() as u64;
    }
}

/// Counts what the broker has taken.
#[derive(Clone, Default)]
struct Count {
    taken: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Count {}

impl ProducerContext<NoCustomPartitioner> for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.taken } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends the messages that are in `from` to `to`, with a producer of the same settings and nothing around it; gives
/// messages per second.
pub(super) async fn bare(from: &KafkaBus, to: &KafkaBus) -> anyhow::Result<f64> {
    let messages = everything(from).await?;
    let count = messages.len() as u64;
    let settings = KafkaPublisher::new(to.clone(), SOURCE, ProducerOptions::default()).client_config();
    let to = to.clone();
    // It blocks while its queue is full.
    let took = tokio::task::spawn_blocking(move || send(settings, &to, messages)).await??;
    Ok(per_second(count, took))
}

async fn everything(bus: &KafkaBus) -> anyhow::Result<Vec<Scanned>> {
    let bounds = bus.bounds(Topic::FROM_ORDERS).await?;
    let mut scan = bus.scan(bounds.iter().map(|b| (b.partition, b.start)).collect()).await?;
    let mut messages = Vec::new();
    while let Some(records) = scan.next().await? {
        messages.extend(records);
    }
    // As they were made: an order's records after one another.
    messages.sort_by_key(|scanned| scanned.stamp.map(|stamp| stamp.id));
    Ok(messages)
}

fn send(settings: rdkafka::ClientConfig, to: &KafkaBus, messages: Vec<Scanned>) -> anyhow::Result<Duration> {
    let count = Count::default();
    let producer: ThreadedProducer<Count> = settings.create_with_context(count.clone())?;
    let expected = messages.len() as u64;
    let started = Instant::now();
    for Scanned { record, stamp } in messages {
        let name = to.topic_name(record.topic);
        let outgoing = Outgoing {
            topic: record.topic,
            key: record.key.clone(),
            payload: record.payload.clone(),
            at: record.at,
            traceparent: record.traceparent.clone(),
        };
        let headers: OwnedHeaders =
            record_headers(SOURCE, stamp.context("a message without a name")?, &outgoing);
        let mut message = BaseRecord::to(&name)
            .partition(i32::from(record.partition.0))
            .key(&record.key[..])
            .payload(&record.payload[..])
            .headers(headers);
        loop {
            match producer.send(message) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    std::thread::yield_now();
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    producer.flush(Duration::from_secs(60))?;
    let took = started.elapsed();
    let taken = count.taken.load(Ordering::Relaxed);
    anyhow::ensure!(taken == expected, "the broker took {taken} of {expected} messages");
    Ok(took)
}
