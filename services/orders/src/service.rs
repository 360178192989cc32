//! The Orders service put together: store, bus, consumer, live gateway, HTTP, background work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use holdfast_bus::{Bus, BusError, Metered, ORDERS_GROUP, worker};
use holdfast_contract::{Currency, Key, OrderId, Topic};
use holdfast_service::Process;
use holdfast_service::audit::Board;
use holdfast_service::auth::Access;
use holdfast_service::backend::{WritesReady, until_it_works};
use holdfast_service::broker::{Broker, BusReady, Sender};
use holdfast_service::config::CommonArgs;
use holdfast_service::descriptors;
use holdfast_service::http::{
    Gate, HttpOptions, HttpServer, InvalidHttp, Operational, ReadyCheck, ServerOptions, finish,
    operational_routes,
};
use holdfast_service::operator::{self, Operator};
use holdfast_service::telemetry::chain;
use holdfast_service::traces::Traced;
use holdfast_storage::{Group, Inbox, StoreError};
use thiserror::Error;

use crate::access::ACCESS;
use crate::audit::{self, OrdersPatrol};
use crate::consumer::{Answers, MAX_BATCH};
pub use crate::database::{DATABASE_FILE, Database};
use crate::http;
use crate::live::{self, LiveConfig, LiveGateway};
use crate::recovery::{Backlog, Redecide, Tidy};
use crate::store::OrderStore;
use crate::usecase::{Parts, UseCases};

/// Name of the service in health answers.
const SERVICE: &str = "orders";
/// Where its events come from, in CloudEvents' terms.
const EVENT_SOURCE: &str = "/holdfast/orders";

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
    /// How long the background audit rests between two rounds; `None`: there is none.
    pub audit_every: Option<Duration>,
    /// Whether answers are not consumed, nor requests repeated: for measuring what accepting alone costs.
    pub pause_consumers: bool,
    /// Orders of a customer that may hold stock or wait for it; `None`: any number.
    pub max_open_orders: Option<usize>,
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
    /// See [`InvalidHttp`].
    pub fn from_args(addr: SocketAddr, common: &CommonArgs) -> Result<Self, InvalidHttp> {
        Ok(Self {
            addr,
            currency: common.currency,
            redecide_after: common.redecide_after(),
            keep_events: common.journal_retention(),
            audit_every: common.audit_every(),
            pause_consumers: false,
            max_open_orders: common.rate.max_open_orders(),
            http: HttpOptions::from_args(common, addr)?,
            server: ServerOptions::from_args(common)?,
            live: LiveConfig::default().within(descriptors::share()),
        })
    }
}

/// What the service is given.
pub struct Deps {
    /// Its database.
    pub database: Arc<Database>,
    /// The bus to Products.
    pub bus: Arc<dyn Bus>,
    /// What carries the bus, if that is a broker: the service publishes what its database holds. Without one, consumers
    /// read the database's journal.
    pub broker: Option<Broker>,
    /// Groups that take this service's requests, with where their positions can be seen. On the embedded bus, what they
    /// have not consumed is kept.
    pub consumed_by: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// What the services of this process share.
    pub process: Process,
    /// How to behave.
    pub settings: Settings,
}

/// Why the service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// The database cannot be used.
    #[error("the orders cannot be read")]
    Store(#[from] StoreError),
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
    router: Router,
    cases: Arc<UseCases>,
    answers: Answers,
}

impl Orders {
    /// Starts everything as tasks of the lifecycle, and serves. When the lifecycle drains, it all ends by itself; close
    /// the database after [`holdfast_service::Lifecycle::wait`].
    ///
    /// A database or a broker that is away does not keep it from starting: it says so in its readiness, and goes on as
    /// soon as they are there.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(deps: Deps) -> Result<Self, StartError> {
        let Deps { database, bus, broker, consumed_by, process, settings } = deps;
        let Process { clock, lifecycle, steps, .. } = process.clone();
        let server = HttpServer::bind(settings.addr, settings.server.clone()).await?;
        let addr = server.local_addr();

        let prepared = match database.backend.prepare().await {
            Ok(()) => true,
            Err(error) if error.is_transient() => {
                tracing::warn!("the orders have to wait: {}", chain(&error));
                false
            }
            Err(error) => return Err(error.into()),
        };
        let store = database.store.clone();
        let cases = UseCases::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            keys: database.keys.clone(),
            currency: settings.currency,
            steps: steps.clone(),
            places: database.places.clone(),
        });
        let cases = cases.with_open_orders(settings.max_open_orders).with_traces(process.traces.clone());
        let cases = Arc::new(cases);
        let answers = Answers::new(store.clone(), database.inbox.clone(), clock.clone(), steps);
        let board = Board::new(SERVICE, settings.audit_every, audit::PARTS, clock.clone());
        let live = LiveConfig { traces: process.traces.clone(), ..settings.live.clone() };
        let gateway = LiveGateway::new(bus.clone(), clock, &lifecycle, live, process.auth.clone());
        lifecycle.spawn_essential("live gateway", gateway.clone().run());

        let sender = broker.as_ref().map(|broker| broker.sender(SERVICE, EVENT_SOURCE));
        let bus_ready = match &broker {
            Some(broker) => broker.ready(),
            None => Arc::new(BusReady { bus: bus.clone(), topics: Topic::TO_ORDERS }),
        };
        let mut checks: Vec<Arc<dyn ReadyCheck>> =
            vec![Arc::new(StoreReady(store)), Arc::new(WritesReady(database.backend.clone())), bus_ready];
        checks.extend(sender.as_ref().map(Sender::ready));
        let operational = Operational {
            service: SERVICE,
            version: env!("CARGO_PKG_VERSION"),
            checks,
            audit: board.clone(),
            metrics: process.metrics.clone(),
            openapi: document()?,
            lifecycle: lifecycle.clone(),
        };
        let gate = Gate::new(prepared);
        let operator = Operator {
            service: SERVICE,
            group: ORDERS_GROUP,
            consumes: Topic::TO_ORDERS,
            bus: bus.clone(),
            inbox: database.inbox.clone(),
            dead_letters: Arc::new(answers.clone()),
        };
        operator::spawn_gauges(&operator, &lifecycle);
        let router: Router = gate
            .guard(http::router(cases.clone()).merge(operator::router(operator)))
            .merge(live::router(&gateway))
            .merge(operational_routes(operational));
        let access = Access::new(process.auth.as_ref(), ACCESS);
        let traces = process.traces.clone();
        let router =
            finish(router, HttpOptions { service: SERVICE, access, traces, ..settings.http.clone() });
        server.serve(router.clone(), &lifecycle);
        tracing::info!("Orders service running on port {}", addr.port());

        let work = Work {
            database: database.clone(),
            bus,
            sender,
            consumed_by,
            process,
            settings,
            answers: answers.clone(),
            board,
        };
        if prepared {
            work.begin().await?;
        } else {
            lifecycle.clone().spawn_essential("orders opening", async move {
                let prepare = || database.backend.prepare();
                if until_it_works("the orders", &lifecycle, prepare).await?.is_some() {
                    work.begin().await?;
                    gate.open();
                    tracing::info!("The orders are there");
                    lifecycle.drain_token().cancelled().await;
                }
                Ok::<(), StartError>(())
            });
        }
        Ok(Self { addr, router, cases, answers })
    }

    /// Where it listens, with the port that was picked.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it serves, for another server of the same process. Let go of it when the lifecycle drains.
    pub fn router(&self) -> &Router {
        &self.router
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

/// What begins once the database is there.
struct Work {
    database: Arc<Database>,
    bus: Arc<dyn Bus>,
    sender: Option<Sender>,
    consumed_by: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    process: Process,
    settings: Settings,
    answers: Answers,
    board: Board,
}

impl Work {
    async fn begin(self) -> Result<(), BusError> {
        let Self { database, bus, sender, consumed_by, process, settings, answers, board } = self;
        let Process { clock, lifecycle, steps, .. } = process.clone();
        let drain = lifecycle.drain_token();
        // Behind a broker nobody else reads the journal.
        let readers = if sender.is_some() { Vec::new() } else { consumed_by.clone() };
        if let (Some(sender), Some(outbox)) = (sender, database.outbox.clone()) {
            sender.start(outbox, &process);
        }
        if let Some(every) = board.every() {
            let patrol = OrdersPatrol::new(
                database.store.clone(),
                database.inbox.clone(),
                bus.clone(),
                board.clone(),
                every,
            );
            let duty = database.audits.clone();
            let audit = holdfast_service::audit::run(patrol, board, duty, drain.clone());
            lifecycle.spawn_essential("orders audit", running(audit));
        }
        if !settings.pause_consumers {
            let consumer = bus.subscribe(ORDERS_GROUP, Topic::TO_ORDERS, database.inbox.clone()).await?;
            let traced = Traced::new(process.traces.clone(), ORDERS_GROUP, answers);
            let (mut handler, stop) = (Metered::new(ORDERS_GROUP, traced), drain.clone());
            lifecycle.spawn_essential("answers consumer", async move {
                worker::run(consumer, &mut handler, MAX_BATCH, stop).await;
                Ok::<(), BusError>(())
            });
            let backlog = Backlog {
                bus,
                requests: consumed_by,
                answers: database.inbox.clone(),
                unpublished: database.unpublished.clone(),
            };
            let (store, after) = (database.store.clone(), settings.redecide_after);
            let redecide = Redecide::new(store, clock.clone(), steps, after, backlog)
                .on_duty(database.redecides.clone());
            lifecycle.spawn_essential("redecide", running(redecide.run(drain.clone())));
        }
        let (backend, stop) = (database.backend.clone(), drain.clone());
        lifecycle.spawn_essential("orders background", running(async move { backend.run(stop).await }));
        let retention = database.retention(readers);
        let tidy =
            Tidy { store: database.store.clone(), retention, clock, keep_events: settings.keep_events };
        lifecycle.spawn_essential("orders tidy", running(tidy.run(drain)));
        Ok(())
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
