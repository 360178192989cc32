//! Starts the service: decider, consumer, HTTP and the tasks that keep the database small.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::{Bus, BusError, Keeps, PRODUCTS_GROUP, Retention, worker};
use holdfast_contract::{Currency, Timestamp, Topic};
use holdfast_service::http::{HttpOptions, HttpServer, Operational, ReadyCheck, finish, operational_routes};
use holdfast_service::telemetry::{Metrics, chain};
use holdfast_service::{Clock, KeySource, Lifecycle, Steps};
use holdfast_storage::{Group, Inbox, StoreError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::consumer::{self, StockHandler};
use crate::decider;
use crate::http::{self, App};
use crate::sample::{self, SeedError};
use crate::sqlite::SqliteProducts;
use crate::store::StockWrites;

/// The service's name, in health and metrics.
pub const SERVICE: &str = "products";
/// File name of the database in `DATA_DIR`.
pub const DATABASE_FILE: &str = "products.db";

/// How long answers to requests with an `Idempotency-Key` are kept: twice what the contract asks for.
const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(48 * 3600);
/// Between two rounds of forgetting what is no longer needed.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Between two looks at how far the consumer is behind.
const LAG: Duration = Duration::from_secs(5);

/// What the service is made of. The database is opened and the socket bound by the caller, who knows about the other
/// service: the bus is made over both journals before either starts.
pub struct Deps {
    /// Its database. Close it after the lifecycle has ended.
    pub store: Arc<SqliteProducts>,
    /// Where requests come from.
    pub bus: Arc<dyn Bus>,
    /// Where it listens.
    pub server: HttpServer,
    /// How its HTTP behaves.
    pub http: HttpOptions,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of new products.
    pub keys: Arc<dyn KeySource>,
    /// The story of every order, for people.
    pub steps: Steps,
    /// Tracks its tasks.
    pub lifecycle: Lifecycle,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Currency of its prices.
    pub currency: Currency,
    /// How long its outgoing records are kept at least.
    pub journal_retention: Duration,
    /// Who consumes its journal, with their inboxes: no record that they still need is forgotten.
    pub journal_groups: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// What else needs its journal.
    pub journal_others: Vec<Arc<dyn Keeps>>,
    /// Whether an empty catalogue is filled with samples.
    pub sample_data: bool,
    /// Does not consume: requests stay in their topics. For measuring the rest of the system alone.
    pub pause_consumers: bool,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Why the service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Amounts are stored without their meaning: a price of 2999 would be 29.99 dollars one day and 2999 yen the next.
    #[error(
        "the catalogue's prices are in {stored}, but CURRENCY is {configured}: set CURRENCY={stored} back, or start \
         with another DATA_DIR"
    )]
    OtherCurrency {
        /// Of the products that are there.
        stored: Currency,
        /// Of this start.
        configured: Currency,
    },
    /// The database failed.
    #[error("the catalogue could not be read")]
    Store(#[from] StoreError),
    /// The sample catalogue could not be written.
    #[error("the sample catalogue could not be written")]
    Seed(#[from] SeedError),
    /// The bus could not be joined.
    #[error("the bus could not be joined")]
    Bus(#[from] BusError),
    /// The API document cannot be written: a defect.
    #[error("the API document cannot be written")]
    Document(#[source] serde_json::Error),
}

/// A service that runs. Dropping it changes nothing: its [`Lifecycle`] ends it.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where it listens, with the port that was picked.
    pub addr: SocketAddr,
    /// What became of the sample catalogue, if one was asked for.
    pub seeded: Option<sample::Seeded>,
}

/// Starts the service: fills an empty catalogue if asked to, then consumes and serves until the lifecycle drains. Then
/// no request is taken, those that run are finished, and the decider ends after them; close the store after that.
///
/// # Errors
/// See [`StartError`]. Tasks that were started by then end with the lifecycle.
pub async fn start(deps: Deps) -> Result<Started, StartError> {
    let Deps { store, bus, server, clock, lifecycle, currency, .. } = deps;
    if let Some(stored) = store.other_currency(currency).await? {
        return Err(StartError::OtherCurrency { stored, configured: currency });
    }
    let (decider, actor) = decider::start(store.clone(), clock.clone(), deps.steps);
    // It ends when everybody who could ask it is gone: the consumer, and the last connection with its router.
    lifecycle.spawn_essential("products decider", async move {
        actor.run(CancellationToken::new()).await;
        Ok::<(), Infallible>(())
    });

    let seeded = match deps.sample_data {
        true => Some(sample::seed(&*store, &decider, currency, false).await?),
        false => None,
    };
    if let Some(sample::Seeded { created: created @ 1.., .. }) = seeded {
        tracing::info!("Filled the empty catalogue with {created} sample products");
    }

    if deps.pause_consumers {
        tracing::warn!("Products service does not consume: requests for stock stay undecided");
    } else {
        let consumer = bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, store.inbox()).await?;
        for topic in Topic::TO_PRODUCTS {
            tracing::info!("Subscribed to topic: {topic}");
        }
        let (decider, drain) = (decider.clone(), lifecycle.drain_token());
        lifecycle.spawn_essential("products consumer", async move {
            let mut handler = StockHandler::new(decider);
            worker::run(consumer, &mut handler, consumer::MAX_BATCH, drain).await;
            Ok::<(), Infallible>(())
        });
    }

    let checks: Vec<Arc<dyn ReadyCheck>> = vec![
        Arc::new(StoreReady(store.clone())),
        Arc::new(BusReady { bus: bus.clone(), paused: deps.pause_consumers }),
    ];
    let operational = Operational {
        service: SERVICE,
        version: env!("CARGO_PKG_VERSION"),
        checks,
        metrics: deps.metrics,
        openapi: Bytes::from(serde_json::to_vec(&http::openapi()).map_err(StartError::Document)?),
        lifecycle: lifecycle.clone(),
    };
    let app = App { store: store.clone(), decider, keys: deps.keys, currency };
    let router = http::router(app).merge(operational_routes(operational));
    let router = finish(router, deps.http);
    let addr = server.local_addr();
    server.serve(router, &lifecycle);

    let retention =
        Retention { journal: store.journal(), groups: deps.journal_groups, others: deps.journal_others };
    spawn_housekeeping(&lifecycle, store.clone(), retention, clock, deps.journal_retention);
    spawn_lag(&lifecycle, bus, store.inbox());
    tracing::info!("Products service running on port {}", addr.port());
    Ok(Started { addr, seeded })
}

fn spawn_housekeeping(
    lifecycle: &Lifecycle,
    store: Arc<SqliteProducts>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    journal_kept: Duration,
) {
    let drain = lifecycle.drain_token();
    lifecycle.spawn("products housekeeping", async move {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        while drain.run_until_cancelled(tick.tick()).await.is_some() {
            let now = clock.now();
            let work = async {
                while store.forget_idempotency(before(now, IDEMPOTENCY_KEPT)).await? > 0 {}
                while retention.run(before(now, journal_kept)).await? > 0 {}
                Ok::<(), StoreError>(())
            };
            // Each call is bounded, so a shutdown waits for one at most.
            if let Some(Err(error)) = drain.run_until_cancelled(work).await {
                tracing::warn!("old records stay for now: {}", chain(&error));
            }
        }
    });
}

fn before(now: Timestamp, kept: Duration) -> Timestamp {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(kept))
}

/// Shows how far the service's effects are behind its requests.
fn spawn_lag(lifecycle: &Lifecycle, bus: Arc<dyn Bus>, inbox: Arc<dyn Inbox>) {
    let drain = lifecycle.drain_token();
    lifecycle.spawn("products lag", async move {
        let mut tick = tokio::time::interval(LAG);
        while drain.run_until_cancelled(tick.tick()).await.is_some() {
            let (Ok(bounds), Ok(positions)) =
                (bus.bounds(Topic::TO_PRODUCTS).await, inbox.positions(PRODUCTS_GROUP).await)
            else {
                continue;
            };
            for b in bounds {
                let reached =
                    positions.iter().find(|(at, _)| *at == b.partition).map_or(b.start, |(_, p)| p.next);
                let labels = [
                    ("group", PRODUCTS_GROUP.to_owned()),
                    ("topic", b.partition.topic.to_string()),
                    ("partition", b.partition.partition.to_string()),
                ];
                metrics::gauge!("consumer_lag", &labels).set(b.end.saturating_sub(reached) as f64);
            }
        }
    });
}

struct StoreReady(Arc<SqliteProducts>);

impl fmt::Debug for StoreReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreReady")
    }
}

#[async_trait]
impl ReadyCheck for StoreReady {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        let inbox = self.0.inbox();
        inbox.positions(PRODUCTS_GROUP).await.map(drop).map_err(|error| chain(&error))
    }
}

struct BusReady {
    bus: Arc<dyn Bus>,
    paused: bool,
}

impl fmt::Debug for BusReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusReady")
    }
}

#[async_trait]
impl ReadyCheck for BusReady {
    fn name(&self) -> &'static str {
        "bus"
    }

    async fn check(&self) -> Result<(), String> {
        if self.paused {
            return Ok(());
        }
        self.bus.bounds(Topic::TO_PRODUCTS).await.map(drop).map_err(|error| chain(&error))
    }
}

/// Why the service does not run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AloneError {
    /// The embedded bus reaches no further than its process.
    #[error(
        "without KAFKA_BROKERS this service has nobody to talk to: orders reach it over Kafka, or inside one process.\n\
         Set KAFKA_BROKERS (for example KAFKA_BROKERS=localhost:9092), or run everything in one process: `make run`, \
         which starts `holdfast`."
    )]
    NobodyToTalkTo,
    /// Kafka is configured, and this build cannot speak to it.
    #[error(
        "KAFKA_BROKERS is set, but this build has no Kafka bus yet.\n\
         Run everything in one process instead: `make run`, which starts `holdfast` with the embedded bus."
    )]
    NoKafkaBus,
}

/// Why the service does not run in a process of its own with this configuration.
pub fn alone(kafka_brokers: Option<&str>) -> AloneError {
    if kafka_brokers.is_some() { AloneError::NoKafkaBus } else { AloneError::NobodyToTalkTo }
}
