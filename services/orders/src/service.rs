//! The Orders service put together: store, bus, consumer, live gateway, HTTP, background work.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use holdfast_bus::{Bus, BusError, Keeps, ORDERS_GROUP, Retention, worker};
use holdfast_contract::{Currency, Key, OrderId, Topic};
use holdfast_service::config::CommonArgs;
use holdfast_service::http::{
    HttpOptions, HttpServer, InvalidOrigin, Operational, ReadyCheck, ServerOptions, finish,
    operational_routes,
};
use holdfast_service::telemetry::{Metrics, chain};
use holdfast_service::{Clock, KeySource, Lifecycle, Steps, TimeOrderedKeys};
use holdfast_storage::{Group, Inbox, Journal, StoreError};
use rusqlite::OptionalExtension as _;
use thiserror::Error;

use crate::consumer::{Answers, MAX_BATCH};
use crate::http;
use crate::live::{self, LiveConfig, LiveGateway};
use crate::recovery::{Backlog, Redecide, Tidy};
use crate::sqlite::{SqliteOptions, SqliteOrders};
use crate::store::OrderStore;
use crate::usecase::{Parts, UseCases};

/// The database in the data folder.
pub const DATABASE_FILE: &str = "orders.db";

/// Name of the service in health answers.
const SERVICE: &str = "orders";

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 picks a free one.
    pub addr: SocketAddr,
    /// The currency of new orders.
    pub currency: Currency,
    /// After how long stock is requested again for an order that is still undecided.
    pub redecide_after: Duration,
    /// How long outgoing events are kept at least.
    pub keep_events: Duration,
    /// Whether answers are not consumed, nor requests repeated: for measuring what accepting alone costs.
    pub pause_consumers: bool,
    /// HTTP above the socket.
    pub http: HttpOptions,
    /// HTTP below.
    pub server: ServerOptions,
    /// The live gateway.
    pub live: LiveConfig,
}

impl Settings {
    /// As configured.
    ///
    /// # Errors
    /// If `CORS_ORIGINS` holds something that is no origin.
    pub fn from_args(addr: SocketAddr, common: &CommonArgs) -> Result<Self, InvalidOrigin> {
        Ok(Self {
            addr,
            currency: common.currency,
            redecide_after: common.redecide_after(),
            keep_events: common.journal_retention(),
            pause_consumers: false,
            http: HttpOptions::from_args(common, addr)?,
            server: ServerOptions::from_args(common),
            live: LiveConfig::default(),
        })
    }
}

/// The service's database, opened, with its two faces to the bus.
pub struct Database {
    /// The orders.
    pub store: Arc<dyn OrderStore>,
    /// What it sends.
    pub journal: Arc<dyn Journal>,
    /// Where its consumer has come to.
    pub inbox: Arc<dyn Inbox>,
    /// Fresh order ids, greater than every stored one.
    pub keys: Arc<dyn KeySource>,
    /// What else needs the journal's records.
    pub keeps: Vec<Arc<dyn Keeps>>,
    sqlite: Arc<SqliteOrders>,
}

impl Database {
    /// Opens `orders.db` in `data_dir`; makes both if they are not there.
    ///
    /// # Errors
    /// See [`SqliteOrders::open`].
    pub async fn open_sqlite(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let sqlite = SqliteOrders::open(&SqliteOptions::new(data_dir.join(DATABASE_FILE))).await?;
        let newest = sqlite
            .database()
            .read(|connection| {
                let id: Option<Option<i64>> =
                    connection.query_row("SELECT max(id) FROM orders", [], |row| row.get(0)).optional()?;
                Ok(id.flatten())
            })
            .await?;
        let keys = TimeOrderedKeys::with_random_instance(clock);
        if let Some(key) = newest.and_then(Key::from_i64) {
            // The clock may have gone back while the service was down.
            keys.advance_past(key);
        }
        let database = sqlite.database().clone();
        Ok(Self {
            store: sqlite.clone(),
            journal: database.clone(),
            inbox: database,
            keys: Arc::new(keys),
            keeps: vec![sqlite.clone()],
            sqlite,
        })
    }

    /// Closes it: call it once nothing uses it any more. Later calls of its parts fail.
    pub async fn close(&self) {
        self.sqlite.database().close().await;
    }
}

/// What the service is given.
pub struct Deps {
    /// Its database.
    pub database: Arc<Database>,
    /// The bus to Products.
    pub bus: Arc<dyn Bus>,
    /// Groups that consume this service's journal on the embedded bus, with where they keep their positions: what they
    /// have not consumed is kept. Empty with a broker.
    pub consumed_by: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the story of each order is told.
    pub steps: Steps,
    /// Every task is its.
    pub lifecycle: Lifecycle,
    /// How to behave.
    pub settings: Settings,
}

/// Why the service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// The bus did not let the consumer in.
    #[error("cannot consume Products' answers")]
    Bus(#[from] BusError),
    /// The API document cannot be written: a defect.
    #[error("the API document cannot be written")]
    Document(#[from] serde_json::Error),
}

/// The running service.
pub struct Orders {
    addr: SocketAddr,
    cases: Arc<UseCases>,
    answers: Answers,
}

impl Orders {
    /// Starts everything as tasks of the lifecycle, and serves. When the lifecycle drains, it all ends by itself; close
    /// the database after [`Lifecycle::wait`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(deps: Deps) -> Result<Self, StartError> {
        // First: counters made before the recorder count nothing.
        let metrics = Metrics::install();
        let Deps { database, bus, consumed_by, clock, steps, lifecycle, settings } = deps;
        let server = HttpServer::bind(settings.addr, settings.server.clone()).await?;
        let addr = server.local_addr();

        let store = database.store.clone();
        let cases = Arc::new(UseCases::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            keys: database.keys.clone(),
            currency: settings.currency,
            steps: steps.clone(),
        }));
        let answers = Answers::new(store.clone(), database.inbox.clone(), clock.clone(), steps.clone());
        let drain = lifecycle.drain_token();

        if !settings.pause_consumers {
            let consumer = bus.subscribe(ORDERS_GROUP, Topic::TO_ORDERS, database.inbox.clone()).await?;
            let (mut handler, stop) = (answers.clone(), drain.clone());
            lifecycle.spawn_essential("answers consumer", async move {
                worker::run(consumer, &mut handler, MAX_BATCH, stop).await;
                Ok::<(), BusError>(())
            });
            let backlog =
                Backlog { bus: bus.clone(), requests: consumed_by.clone(), answers: database.inbox.clone() };
            let redecide =
                Redecide::new(store.clone(), clock.clone(), steps, settings.redecide_after, backlog);
            lifecycle.spawn_essential("redecide", running(redecide.run(drain.clone())));
        }
        let indexed = database.sqlite.clone();
        let stop = drain.clone();
        lifecycle.spawn_essential("order index", running(async move { indexed.keep_indexed(stop).await }));
        let retention = Retention {
            journal: database.journal.clone(),
            groups: consumed_by,
            others: database.keeps.clone(),
        };
        let tidy =
            Tidy { store: store.clone(), retention, clock: clock.clone(), keep_events: settings.keep_events };
        lifecycle.spawn_essential("orders tidy", running(tidy.run(drain)));

        let gateway = LiveGateway::new(bus.clone(), clock, &lifecycle, settings.live);
        lifecycle.spawn_essential("live gateway", gateway.clone().run());

        let operational = Operational {
            service: SERVICE,
            version: env!("CARGO_PKG_VERSION"),
            checks: vec![Arc::new(StoreReady(store)), Arc::new(BusReady(bus))],
            metrics,
            openapi: document()?,
            lifecycle: lifecycle.clone(),
        };
        let router: Router =
            http::router(cases.clone()).merge(live::router(&gateway)).merge(operational_routes(operational));
        server.serve(finish(router, settings.http), &lifecycle);
        tracing::info!("Orders service running on port {}", addr.port());
        Ok(Self { addr, cases, answers })
    }

    /// Where it listens, with the port that was picked.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its use cases, for callers in the same process.
    pub fn cases(&self) -> &Arc<UseCases> {
        &self.cases
    }

    /// Its consumer, for replaying and discarding what is parked.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }
}

/// The API document, as `/openapi.json` serves it.
///
/// # Errors
/// If it cannot be written as JSON, which is a defect.
pub fn document() -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(&http::openapi::openapi()).map(Bytes::from)
}

async fn running(work: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
    work.await;
    Ok(())
}

struct StoreReady(Arc<dyn OrderStore>);

impl std::fmt::Debug for StoreReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreReady")
    }
}

#[async_trait]
impl ReadyCheck for StoreReady {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        // No order has this id: what counts is that the store says so.
        self.0.get(OrderId::new(Key::compose(0, 0, 0))).await.map(drop).map_err(|e| chain(&e))
    }
}

struct BusReady(Arc<dyn Bus>);

impl std::fmt::Debug for BusReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BusReady")
    }
}

#[async_trait]
impl ReadyCheck for BusReady {
    fn name(&self) -> &'static str {
        "bus"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.bounds(Topic::TO_ORDERS).await.map(drop).map_err(|e| chain(&e))
    }
}

/// Why a service cannot run alone.
#[derive(Debug, Error)]
pub enum Alone {
    /// Nobody to talk to.
    #[error(
        "a single service without a broker has nobody to talk to.\n\
         Set KAFKA_BROKERS (for example KAFKA_BROKERS=localhost:9092, here or in .env.local),\n\
         or run `holdfast`, which runs both services in one process and needs no broker."
    )]
    NoBroker,
    /// A broker is set, but this build cannot use one.
    #[error(
        "KAFKA_BROKERS is set to {0}, but this build has no Kafka bus.\n\
         Run `holdfast`, which runs both services in one process and needs no broker."
    )]
    NoKafka(String),
}

/// Whether the service can run without the other one in its process.
///
/// # Errors
/// [`Alone`] says what to set or to run instead.
pub fn check_alone(common: &CommonArgs) -> Result<std::convert::Infallible, Alone> {
    Err(match common.kafka_brokers() {
        None => Alone::NoBroker,
        Some(brokers) => Alone::NoKafka(brokers.to_owned()),
    })
}
