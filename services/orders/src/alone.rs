//! The service in a process of its own, next to a broker: the program `orders`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use holdfast_bus::{KafkaConfigError, PRODUCTS_GROUP};
use holdfast_contract::Topic;
use holdfast_service::broker::Broker;
use holdfast_service::config::{Backends, CommonArgs, InvalidBackends, OrdersArgs, ProbeArgs, RuntimeArgs};
use holdfast_service::http::InvalidHttp;
use holdfast_service::process::{BeginError, Process, announce};
use holdfast_storage::StoreError;
use holdfast_web::{PeerArgs, Upstream, WebArgs};
use thiserror::Error;

use crate::service::{Database, Deps, Orders, Settings, StartError};

/// Arguments of `orders` and of `holdfast orders`.
#[derive(Args, Clone, Debug)]
pub struct AloneArgs {
    /// Where it listens.
    #[command(flatten)]
    pub orders: OrdersArgs,
    /// What every service takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The web app.
    #[command(flatten)]
    pub web: WebArgs,
    /// Where its server finds Products.
    #[command(flatten)]
    pub peer: PeerArgs,
    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
    /// For measuring.
    #[command(flatten)]
    pub probe: ProbeArgs,
}

/// Why it does not run.
#[derive(Debug, Error)]
pub enum AloneError {
    /// Nobody to talk to.
    #[error(
        "a single service without a broker has nobody to talk to.\n\
         Set KAFKA_BROKERS (for example KAFKA_BROKERS=localhost:9092, here or in .env.local),\n\
         or run `holdfast`, which runs both services in one process and needs no broker."
    )]
    NoBroker,
    /// A database server without a broker.
    #[error(transparent)]
    Backends(#[from] InvalidBackends),
    /// Settings of the broker.
    #[error("the settings of Kafka do not go together")]
    Kafka(#[from] KafkaConfigError),
    /// `CORS_ORIGINS`, or the certificate.
    #[error(transparent)]
    Http(#[from] InvalidHttp),
    /// Logs or signals.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The data folder.
    #[error("{0}; stop what runs on it, or set DATA_DIR to another folder")]
    InUse(StoreError),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// The address.
    #[error("{0}; stop what listens there, or set ORDERS_ADDR to another address")]
    Listen(std::io::Error),
    /// The web app.
    #[error(transparent)]
    Web(#[from] holdfast_web::StartError),
    /// Anything else.
    #[error("the orders service did not start")]
    Start(#[source] StartError),
    /// Standard output.
    #[error("cannot say where it listens")]
    Announce(#[source] std::io::Error),
}

impl From<StoreError> for AloneError {
    fn from(error: StoreError) -> Self {
        match error {
            in_use @ StoreError::InUse(_) => Self::InUse(in_use),
            other => Self::Store(other),
        }
    }
}

impl From<StartError> for AloneError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen(error) => Self::Listen(error),
            other => Self::Start(other),
        }
    }
}

/// Runs until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// See [`AloneError`]. A broker or a database server that is away is none.
pub async fn run(args: AloneArgs) -> Result<ExitCode, AloneError> {
    let common = &args.common;
    let backends = common.backends()?;
    let (Backends::KafkaAndSqlite { brokers } | Backends::KafkaAndMongo { brokers, .. }) = backends else {
        return Err(AloneError::NoBroker);
    };
    let broker = Broker::new(&common.kafka, brokers)?;
    let settings = Settings::from_args(args.orders.orders_addr, common)?;
    let settings = Settings { pause_consumers: args.probe.pause_consumers, ..settings };
    let web = args.web.wanted(&WEB_ADDRS);
    let addrs = [&[args.orders.orders_addr], web].concat();
    let process = Process::begin("holdfast-orders", common, &addrs, &args.probe)?;
    let database = Arc::new(Database::open(common, backends, process.clock.clone()).await?);
    broker.keep_topics(&process.lifecycle);
    let deps = Deps {
        database: database.clone(),
        bus: Arc::new(broker.bus().clone()),
        consumed_by: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, broker.bus().committed())],
        broker: Some(broker),
        process: process.clone(),
        settings,
    };
    let started = start(&args, deps).await;
    if started.is_err() {
        process.lifecycle.shutdown();
    }
    let code = process.end(async move { database.close().await }).await;
    started.map(|()| code)
}

/// Kafka's own UI has `:8080`.
const WEB_ADDRS: [SocketAddr; 1] = [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3006)];

async fn start(args: &AloneArgs, deps: Deps) -> Result<(), AloneError> {
    let (lifecycle, auth) = (deps.process.lifecycle.clone(), deps.process.auth.clone());
    let orders = Orders::start(deps).await?;
    let products = &args.peer.products_url;
    if auth.is_some() && !products.is_private() {
        tracing::warn!("PRODUCTS_URL={products}: whoever is in between can read users' tokens; use https");
    }
    let settings = holdfast_web::Settings {
        orders: Upstream::Here(orders.router().clone()),
        products: Upstream::There(products.clone(), args.common.trust.trust()),
        currency: args.common.currency,
        bus: "kafka",
        auth,
        demo: None,
    };
    let web = holdfast_web::start(&args.web, &WEB_ADDRS, &args.common, settings, &lifecycle).await?;
    let listening: Vec<_> =
        [("orders", orders.addr())].into_iter().chain(web.into_iter().map(|addr| ("web", addr))).collect();
    announce(&listening, "").map_err(AloneError::Announce)
}
