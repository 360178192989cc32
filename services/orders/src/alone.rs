//! The service in a process of its own, next to a broker: the program `orders`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::Topic;
use holdfast_service::alone::{self, Alone, AloneError};
use holdfast_service::config::{CommonArgs, OrdersArgs, ProbeArgs, RuntimeArgs};
use holdfast_service::process::announce;
use holdfast_web::{PeerArgs, Upstream, WebArgs};

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

/// Runs until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// See [`AloneError`]. A broker or a database server that is away is none.
pub async fn run(args: AloneArgs) -> Result<ExitCode, AloneError> {
    let common = &args.common;
    let settings = Settings::from_args(args.orders.orders_addr, common)?;
    let settings = Settings { pause_consumers: args.probe.pause_consumers, ..settings };
    let web = args.web.wanted(&WEB_ADDRS);
    let addrs = [&[args.orders.orders_addr], web].concat();
    let Alone { broker, backends, process } = Alone::begin("holdfast-orders", common, &addrs, &args.probe)?;
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
    alone::end(process, started, async move { database.close().await }).await
}

/// Kafka's own UI has `:8080`.
const WEB_ADDRS: [SocketAddr; 1] = [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3006)];

async fn start(args: &AloneArgs, deps: Deps) -> Result<(), AloneError> {
    let (lifecycle, auth) = (deps.process.lifecycle.clone(), deps.process.auth.clone());
    let orders = Orders::start(deps).await.map_err(|error| match error {
        StartError::Listen(error) => AloneError::listen("ORDERS_ADDR")(error),
        other => AloneError::start("orders service")(other),
    })?;
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
    let web = holdfast_web::start(&args.web, &WEB_ADDRS, &args.common, settings, &lifecycle).await;
    let web = web.map_err(AloneError::start("web app"))?;
    let listening: Vec<_> =
        [("orders", orders.addr())].into_iter().chain(web.into_iter().map(|addr| ("web", addr))).collect();
    announce(&listening, "").map_err(AloneError::Announce)
}
