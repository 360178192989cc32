//! The service in a process of its own, next to a broker: the program `products`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Args};
use holdfast_bus::{KafkaConfigError, Valve};
use holdfast_service::TimeOrderedKeys;
use holdfast_service::broker::Broker;
use holdfast_service::config::{Backends, CommonArgs, InvalidBackends, ProbeArgs, ProductsArgs, RuntimeArgs};
use holdfast_service::http::{HttpOptions, HttpServer, InvalidHttp, ServerOptions};
use holdfast_service::process::{BeginError, Process, announce};
use holdfast_storage::StoreError;
use thiserror::Error;

use crate::service::{Database, Deps, StartError, start};

/// Arguments of `products` and of `holdfast products`.
#[derive(Args, Clone, Debug)]
pub struct AloneArgs {
    /// Where it listens.
    #[command(flatten)]
    pub products: ProductsArgs,
    /// What every service takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Fill an empty catalogue with sample products.
    #[arg(
        long,
        env = "SAMPLE_DATA",
        default_value_t = false,
        action = ArgAction::Set,
        value_name = "BOOL",
        help_heading = "Behaviour"
    )]
    pub sample_data: bool,
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
        "a single service without a broker has nobody to talk to: orders reach it over Kafka.\n\
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
    #[error("{0}; stop what listens there, or set PRODUCTS_ADDR to another address")]
    Listen(std::io::Error),
    /// Anything else.
    #[error("the products service did not start")]
    Start(#[from] StartError),
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
    let addr = args.products.products_addr;
    let http = HttpOptions::from_args(common, addr)?;
    let options = ServerOptions::from_args(common)?;
    let process = Process::begin("holdfast-products", common, &[addr], &args.probe)?;
    let server = HttpServer::bind(addr, options).await.map_err(AloneError::Listen)?;
    let database = Arc::new(Database::open(common, backends).await?);
    broker.keep_topics(&process.lifecycle);
    let started = start(Deps {
        database: database.clone(),
        bus: Arc::new(broker.bus().clone()),
        broker: Some(broker),
        consumed_by: Vec::new(),
        server,
        http,
        keys: Arc::new(TimeOrderedKeys::with_random_instance(process.clock.clone())),
        process: process.clone(),
        currency: common.currency,
        journal_retention: common.journal_retention(),
        audit_every: common.audit_every(),
        sample_data: args.sample_data,
        pause_consumers: args.probe.pause_consumers,
        valve: Valve::default(),
    })
    .await
    .map_err(AloneError::from)
    .and_then(|products| announce(&[("products", products.addr)], "").map_err(AloneError::Announce));
    if started.is_err() {
        process.lifecycle.shutdown();
    }
    let code = process.end(async move { database.close().await }).await;
    started.map(|()| code)
}
