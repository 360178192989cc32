//! The service in a process of its own, next to a broker: the program `products`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgAction, Args};
use holdfast_bus::Valve;
use holdfast_service::TimeOrderedKeys;
use holdfast_service::alone::{self, Alone, AloneError};
use holdfast_service::config::{CommonArgs, ProbeArgs, ProductsArgs, RuntimeArgs};
use holdfast_service::http::{HttpOptions, HttpServer, ServerOptions};
use holdfast_service::process::announce;

use crate::service::{Database, Deps, start};

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

/// Runs until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// See [`AloneError`]. A broker or a database server that is away is none.
pub async fn run(args: AloneArgs) -> Result<ExitCode, AloneError> {
    let common = &args.common;
    let addr = args.products.products_addr;
    let http = HttpOptions::from_args(common, addr)?;
    let options = ServerOptions::from_args(common)?;
    let Alone { broker, backends, process } =
        Alone::begin("holdfast-products", common, &[addr], &args.probe)?;
    let server = HttpServer::bind(addr, options).await.map_err(AloneError::listen("PRODUCTS_ADDR"))?;
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
    .map_err(AloneError::start("products service"))
    .and_then(|products| announce(&[("products", products.addr)], "").map_err(AloneError::Announce));
    alone::end(process, started, async move { database.close().await }).await
}
