//! Starts the service: decider, consumer, HTTP and the tasks that keep the database small.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use holdfast_bus::{Bus, BusError, Metered, PRODUCTS_GROUP, Retention, Valve, worker};
use holdfast_contract::{Currency, Timestamp, Topic};
use holdfast_service::audit::Board;
use holdfast_service::auth::Access;
use holdfast_service::backend::{Passing, WritesReady, until_it_works};
use holdfast_service::broker::{Broker, BusReady, Sender};
use holdfast_service::http::{
    Gate, HttpOptions, HttpServer, Operational, ReadyCheck, finish, operational_routes,
};
use holdfast_service::operator::{self, Operator};
use holdfast_service::telemetry::chain;
use holdfast_service::traces::Traced;
use holdfast_service::{Clock, KeySource, Lifecycle, Process};
use holdfast_storage::{Group, Inbox, StoreError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::access::ACCESS;
use crate::audit::{self, StockPatrol};
use crate::consumer::{self, StockHandler};
pub use crate::database::{DATABASE_FILE, Database};
use crate::decider::{self, CommandError, Decider};
use crate::http::{self, App};
use crate::sample::{self, SeedError};
use crate::store::{ProductQuery, ProductStore};

/// The service's name, in health and metrics.
pub const SERVICE: &str = "products";
/// Where its events come from, in CloudEvents' terms.
const EVENT_SOURCE: &str = "/holdfast/products";

/// How long answers to requests with an `Idempotency-Key` are kept: twice what the contract asks for.
const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(48 * 3600);
/// Between two rounds of forgetting what is no longer needed.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// What the service is made of. The caller opens the database and binds the socket.
pub struct Deps {
    /// Its database. Close it after the lifecycle has ended.
    pub database: Arc<Database>,
    /// Where requests come from.
    pub bus: Arc<dyn Bus>,
    /// What carries the bus, if that is a broker: the service publishes what its database holds. Without one, consumers
    /// read the database's journal.
    pub broker: Option<Broker>,
    /// On the embedded bus, who consumes its journal, with their inboxes: no record that they still need is forgotten.
    pub consumed_by: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// Where it listens.
    pub server: HttpServer,
    /// How its HTTP behaves.
    pub http: HttpOptions,
    /// What the services of this process share.
    pub process: Process,
    /// Ids of new products.
    pub keys: Arc<dyn KeySource>,
    /// Currency of its prices.
    pub currency: Currency,
    /// How long its outgoing records are kept at least, where they are kept as a journal.
    pub journal_retention: Duration,
    /// How long the background audit rests between two rounds; `None`: there is none.
    pub audit_every: Option<Duration>,
    /// Whether an empty catalogue is filled with samples.
    pub sample_data: bool,
    /// Does not consume: requests stay in their topics. For measuring the rest of the system alone.
    pub pause_consumers: bool,
    /// Stops consuming for a while.
    pub valve: Valve,
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
         with another database"
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

impl Passing for StartError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) | Self::Seed(SeedError::Read(error)) => error.is_transient(),
            Self::Seed(SeedError::Create { source, .. }) => {
                matches!(source, CommandError::Unavailable(_) | CommandError::Overloaded)
            }
            _ => false,
        }
    }
}

/// A service that runs. Dropping it changes nothing: its [`holdfast_service::Lifecycle`] ends it.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where it listens, with the port that was picked.
    pub addr: SocketAddr,
    /// What it serves, for another server of the same process. Let go of it when the lifecycle drains.
    pub router: Router,
    /// What became of the sample catalogue, if one was asked for and the database was there.
    pub seeded: Option<sample::Seeded>,
}

/// Starts the service: fills an empty catalogue if asked to, then consumes and serves until the lifecycle drains. Then
/// no request is taken, those that run are finished, and the decider ends after them; close the store after that.
///
/// A database or a broker that is away does not keep it from starting: it says so in its readiness, and goes on as soon
/// as they are there.
///
/// # Errors
/// See [`StartError`]. Tasks that were started by then end with the lifecycle.
pub async fn start(deps: Deps) -> Result<Started, StartError> {
    let Deps { database, bus, broker, consumed_by, server, http, process, keys, currency, .. } = deps;
    let Process { clock, lifecycle, .. } = process.clone();
    let store = database.store.clone();
    let (decider, actor) = decider::start(store.clone(), clock.clone(), process.steps.clone());
    // It ends when everybody who could ask it is gone: the consumer, and the last connection with its router.
    lifecycle.spawn_essential("products decider", async move {
        actor.run(CancellationToken::new()).await;
        Ok::<(), Infallible>(())
    });

    let opening =
        Opening { database: database.clone(), decider: decider.clone(), currency, sample: deps.sample_data };
    let (prepared, seeded) = match opening.open().await {
        Ok(seeded) => (true, seeded),
        Err(error) if error.is_passing() => {
            tracing::warn!("the catalogue has to wait: {}", chain(&error));
            (false, None)
        }
        Err(error) => return Err(error),
    };

    let sender = broker.as_ref().map(|broker| broker.sender(SERVICE, EVENT_SOURCE));
    let mut checks: Vec<Arc<dyn ReadyCheck>> =
        vec![Arc::new(StoreReady(store.clone())), Arc::new(WritesReady(database.backend.clone()))];
    match &broker {
        Some(broker) => checks.push(broker.ready()),
        None if deps.pause_consumers => {}
        None => checks.push(Arc::new(BusReady { bus: bus.clone(), topics: Topic::TO_PRODUCTS })),
    }
    checks.extend(sender.as_ref().map(Sender::ready));
    let board = Board::new(SERVICE, deps.audit_every, audit::PARTS, clock.clone());
    let operational = Operational {
        service: SERVICE,
        version: env!("CARGO_PKG_VERSION"),
        checks,
        audit: board.clone(),
        metrics: process.metrics.clone(),
        openapi: Bytes::from(serde_json::to_vec(&http::openapi()).map_err(StartError::Document)?),
        lifecycle: lifecycle.clone(),
    };
    let gate = Gate::new(prepared);
    let operator = Operator {
        service: SERVICE,
        group: PRODUCTS_GROUP,
        consumes: Topic::TO_PRODUCTS,
        bus: bus.clone(),
        inbox: store.clone(),
        dead_letters: Arc::new(decider.clone()),
    };
    operator::spawn_gauges(&operator, &lifecycle);
    let app = App { store, decider: decider.clone(), keys, currency };
    let router = gate
        .guard(http::router(app).merge(operator::router(operator)))
        .merge(operational_routes(operational));
    let access = Access::new(process.auth.as_ref(), ACCESS);
    let traces = process.traces.clone();
    let router = finish(router, HttpOptions { service: SERVICE, access, traces, ..http });
    let addr = server.local_addr();
    server.serve(router.clone(), &lifecycle);
    tracing::info!("Products service running on port {}", addr.port());

    let work = Work {
        database,
        bus,
        broker,
        sender,
        consumed_by,
        process,
        decider,
        board,
        journal_retention: deps.journal_retention,
        pause_consumers: deps.pause_consumers,
        valve: deps.valve,
    };
    if prepared {
        work.begin().await?;
    } else {
        lifecycle.clone().spawn_essential("products opening", async move {
            if until_it_works("the catalogue", &lifecycle, || opening.open()).await?.is_some() {
                // The decider ends when nobody can ask it any more.
                drop(opening);
                work.begin().await?;
                gate.open();
                tracing::info!("The catalogue is there");
                lifecycle.drain_token().cancelled().await;
            }
            Ok::<(), StartError>(())
        });
    }
    Ok(Started { addr, router, seeded })
}

/// What has to be done before the catalogue is used.
struct Opening {
    database: Arc<Database>,
    decider: Decider,
    currency: Currency,
    sample: bool,
}

impl Opening {
    async fn open(&self) -> Result<Option<sample::Seeded>, StartError> {
        self.database.backend.prepare().await?;
        let store = &*self.database.store;
        // Whoever adds a product has come by here: one that is shown speaks for all of them.
        let one = store.list(ProductQuery { limit: 1, ..ProductQuery::default() }).await?;
        if let Some(product) = one.products.first() {
            let (stored, configured) = (product.product.details.price.currency(), self.currency);
            if stored != configured {
                return Err(StartError::OtherCurrency { stored, configured });
            }
        }
        if !self.sample {
            return Ok(None);
        }
        let seeded = sample::seed(store, &self.decider, self.currency, false).await?;
        if seeded.created > 0 {
            tracing::info!("Filled the empty catalogue with {} sample products", seeded.created);
        }
        Ok(Some(seeded))
    }
}

/// What begins once the catalogue is there.
struct Work {
    database: Arc<Database>,
    bus: Arc<dyn Bus>,
    broker: Option<Broker>,
    sender: Option<Sender>,
    consumed_by: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    process: Process,
    decider: Decider,
    board: Board,
    journal_retention: Duration,
    pause_consumers: bool,
    valve: Valve,
}

impl Work {
    async fn begin(self) -> Result<(), BusError> {
        let Self { database, bus, broker, sender, consumed_by, process, decider, board, .. } = self;
        let Process { clock, lifecycle, steps, .. } = process.clone();
        let inbox: Arc<dyn Inbox> = database.store.clone();
        if self.pause_consumers {
            tracing::warn!("Products service does not consume: requests for stock stay undecided");
        } else {
            let consumer = bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, inbox.clone()).await?;
            let mut handler = StockHandler::new(decider);
            match &broker {
                Some(broker) => {
                    broker.tell_of_consumer("stock management", Topic::TO_PRODUCTS, &lifecycle);
                    handler = handler.telling(steps);
                }
                None => {
                    for topic in Topic::TO_PRODUCTS {
                        tracing::info!("Subscribed to topic: {topic}");
                    }
                }
            }
            let drain = lifecycle.drain_token();
            let traced = Traced::new(process.traces.clone(), PRODUCTS_GROUP, handler);
            let mut handler = self.valve.before(Metered::new(PRODUCTS_GROUP, traced), drain.clone());
            lifecycle.spawn_essential("products consumer", async move {
                worker::run(consumer, &mut handler, consumer::MAX_BATCH, drain).await;
                Ok::<(), Infallible>(())
            });
        }
        // Behind a broker nobody else reads the journal.
        let readers = if broker.is_some() { Vec::new() } else { consumed_by };
        if let (Some(sender), Some(outbox)) = (sender, database.outbox.clone()) {
            sender.start(outbox, &process);
        }
        let (backend, drain) = (database.backend.clone(), lifecycle.drain_token());
        lifecycle.spawn_essential("products background", async move {
            backend.run(drain).await;
            Ok::<(), Infallible>(())
        });
        if let Some(every) = board.every() {
            let patrol = StockPatrol::new(database.store.clone(), clock.clone(), board.clone(), every);
            let (duty, drain) = (database.audits.clone(), lifecycle.drain_token());
            lifecycle.spawn_essential("products audit", async move {
                holdfast_service::audit::run(patrol, board, duty, drain).await;
                Ok::<(), Infallible>(())
            });
        }
        let retention = database.retention(readers);
        spawn_housekeeping(&lifecycle, database.store.clone(), retention, clock, self.journal_retention);
        Ok(())
    }
}

fn spawn_housekeeping(
    lifecycle: &Lifecycle,
    store: Arc<dyn ProductStore>,
    retention: Option<Retention>,
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
                while let Some(retention) = &retention {
                    if retention.run(before(now, journal_kept)).await? == 0 {
                        break;
                    }
                }
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

struct StoreReady(Arc<dyn ProductStore>);

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
        self.0.positions(PRODUCTS_GROUP).await.map(drop).map_err(|error| chain(&error))
    }
}
