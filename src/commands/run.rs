//! `holdfast` without a subcommand: both services in one process, over the embedded bus.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{ArgAction, Args};
use holdfast_bus::{Bus, EmbeddedBus, ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::Topic;
use holdfast_orders::service::{self as orders, Orders};
use holdfast_products::sample::TEST_PRODUCT_ID;
use holdfast_products::service as products;
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::config::{CommonArgs, OrdersArgs, ProductsArgs, is_exposed};
use holdfast_service::http::{HttpOptions, HttpServer, ServerOptions};
use holdfast_service::telemetry::{Metrics, init_logging};
use holdfast_service::{Clock, Lifecycle, Steps, SystemClock, TimeOrderedKeys};
use holdfast_storage::StoreError;

use super::ceiling::input_closed;
use crate::cli::RuntimeArgs;

/// Arguments of `holdfast`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Where the orders service listens.
    #[command(flatten)]
    pub orders: OrdersArgs,

    /// Where the products service listens.
    #[command(flatten)]
    pub products: ProductsArgs,

    /// What both take.
    #[command(flatten)]
    pub common: CommonArgs,

    /// Fill an empty catalogue with sample products.
    #[arg(
        long,
        env = "SAMPLE_DATA",
        default_value_t = true,
        action = ArgAction::Set,
        value_name = "BOOL",
        help_heading = "Behaviour"
    )]
    pub sample_data: bool,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// Orders are accepted and never decided: what accepting alone costs. For `holdfast bench`.
    #[arg(long, hide = true)]
    pub pause_consumers: bool,

    /// Shuts down when standard input is closed, that is when whoever started it is gone. For `holdfast bench`.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

/// Runs both services until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// If a database cannot be opened, an address cannot be had, or Kafka or MongoDB is asked for.
pub async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    refuse_what_is_not_built(common)?;
    init_logging(&common.log, common.log_format)?;
    for addr in [args.orders.orders_addr, args.products.products_addr] {
        if is_exposed(addr) {
            tracing::warn!("{addr} can be reached from other machines, and every caller is an admin");
        }
    }
    // Before the services: counters made before the recorder count nothing.
    let metrics = Metrics::install();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lifecycle = Lifecycle::new(common.shutdown_grace());
    lifecycle.shutdown_on_signals()?;
    metrics.spawn_upkeep(&lifecycle);
    let steps = Steps::new(Arc::clone(&clock));
    steps.spawn_flusher(&lifecycle);
    if args.exit_with_stdin {
        let asked = lifecycle.clone();
        lifecycle.spawn("standard input", async move {
            asked.drain_token().run_until_cancelled(input_closed()).await;
            asked.shutdown();
        });
    }

    let orders_db = orders::Database::open_sqlite(&common.data_dir, Arc::clone(&clock)).await;
    let orders_db = Arc::new(orders_db.map_err(not_opened)?);
    let products_db = SqliteProducts::open(common.data_dir.join(products::DATABASE_FILE));
    let products_db = Arc::new(products_db.map_err(not_opened)?);
    let bus: Arc<dyn Bus> =
        Arc::new(EmbeddedBus::new(vec![Arc::clone(&orders_db.journal), products_db.journal()]));
    let addrs = start(&args, metrics, clock, steps, &lifecycle, &orders_db, &products_db, bus).await;
    let started = addrs.and_then(|addrs| Ok(announce(&addrs)?));
    if started.is_err() {
        lifecycle.shutdown();
    }

    let report = lifecycle.wait().await;
    products_db.close().await;
    orders_db.close().await;
    started?;
    if report.is_clean() {
        tracing::info!("Stopped: {report}");
        return Ok(ExitCode::SUCCESS);
    }
    tracing::warn!("Stopped: {report}");
    Ok(if report.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Addrs {
    orders: SocketAddr,
    products: SocketAddr,
}

#[expect(clippy::too_many_arguments, reason = "the one place where everything comes together")]
async fn start(
    args: &RunArgs,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    steps: Steps,
    lifecycle: &Lifecycle,
    orders_db: &Arc<orders::Database>,
    products_db: &Arc<SqliteProducts>,
    bus: Arc<dyn Bus>,
) -> anyhow::Result<Addrs> {
    let common = &args.common;
    let server = HttpServer::bind(args.products.products_addr, ServerOptions::from_args(common)).await;
    let server = server.map_err(|error| not_listening(&error, "PRODUCTS_ADDR"))?;
    let products = products::start(products::Deps {
        store: Arc::clone(products_db),
        bus: Arc::clone(&bus),
        server,
        http: HttpOptions::from_args(common, args.products.products_addr)?,
        clock: Arc::clone(&clock),
        keys: Arc::new(TimeOrderedKeys::with_random_instance(Arc::clone(&clock))),
        steps: steps.clone(),
        lifecycle: lifecycle.clone(),
        metrics,
        currency: common.currency,
        journal_retention: common.journal_retention(),
        journal_groups: vec![(ORDERS_GROUP, Topic::TO_ORDERS, Arc::clone(&orders_db.inbox))],
        journal_others: vec![],
        sample_data: args.sample_data,
        pause_consumers: args.pause_consumers,
    })
    .await
    .context("the products service did not start")?;
    let mut settings = orders::Settings::from_args(args.orders.orders_addr, common)?;
    settings.pause_consumers = args.pause_consumers;
    let orders = Orders::start(orders::Deps {
        database: Arc::clone(orders_db),
        bus,
        consumed_by: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, products_db.inbox())],
        clock,
        steps,
        lifecycle: lifecycle.clone(),
        settings,
    })
    .await
    .map_err(|error| match error {
        orders::StartError::Listen(error) => not_listening(&error, "ORDERS_ADDR"),
        other => anyhow::Error::new(other).context("the orders service did not start"),
    })?;
    Ok(Addrs { orders: orders.addr(), products: products.addr })
}

/// The error names the address; this adds what to do.
fn not_listening(error: &std::io::Error, variable: &str) -> anyhow::Error {
    anyhow!("{error}; stop what listens there, or set {variable} to another address")
}

/// The error names the file; this adds what to do.
fn not_opened(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::InUse(_) => {
            anyhow!("{error}; stop the holdfast that runs on it, or set DATA_DIR to another folder")
        }
        other => other.into(),
    }
}

fn refuse_what_is_not_built(common: &CommonArgs) -> anyhow::Result<()> {
    if common.kafka_brokers().is_some() {
        bail!("KAFKA_BROKERS is set, but this build has no Kafka bus; unset it to use the embedded one");
    }
    if common.mongodb_uri().is_some() {
        bail!("MONGODB_URI is set, but this build has no MongoDB store; unset it to use SQLite");
    }
    Ok(())
}

/// For a person on a terminal: what listens where and what to try. For a program: one JSON object a line.
fn announce(addrs: &Addrs) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let text = if out.is_terminal() { welcome(addrs) } else { notices(addrs) };
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn notices(addrs: &Addrs) -> String {
    let Addrs { orders, products } = addrs;
    format!(
        "{{\"event\":\"listening\",\"service\":\"orders\",\"addr\":\"{orders}\"}}\n\
         {{\"event\":\"listening\",\"service\":\"products\",\"addr\":\"{products}\"}}\n\
         {{\"event\":\"ready\"}}\n"
    )
}

fn welcome(addrs: &Addrs) -> String {
    let Addrs { orders, products } = addrs;
    format!(
        r#"
  Holdfast is running. Ctrl-C stops it.

    Orders     http://{orders}/api/v1/orders      live: ws://{orders}/ws and Socket.IO
    Products   http://{products}/api/v1/products

  See what is in stock:

    curl -s http://{products}/api/v1/products

  Place an order, and watch its stock being held in the lines below:

    curl -s http://{orders}/api/v1/orders -H 'Content-Type: application/json' -d '{{
      "userId": "test-user-123",
      "items": [{{"productId": "{TEST_PRODUCT_ID}", "productName": "Test Product", "quantity": 2, "price": 29.99}}],
      "totalAmount": 59.98,
      "shippingAddress": {{"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"}},
      "paymentMethod": "credit_card"
    }}'

  Cancel it (the _id is in the answer), and its stock comes back:

    curl -s -X PATCH http://{orders}/api/v1/orders/ID/status -H 'Content-Type: application/json' -d '{{"status": 5}}'

"#
    )
}

/// Why `holdfast orders` or `holdfast products` cannot run alone, as an error that says what to do.
///
/// # Errors
/// Always: without a broker a single service has nobody to talk to, and this build has no Kafka bus.
pub fn alone(common: &CommonArgs) -> anyhow::Result<ExitCode> {
    match orders::check_alone(common)? {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs() -> Addrs {
        Addrs { orders: ([127, 0, 0, 1], 3004).into(), products: ([127, 0, 0, 1], 3001).into() }
    }

    #[test]
    fn programs_get_one_object_a_line() {
        let text = notices(&addrs());
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines[1]["addr"], "127.0.0.1:3001");
        assert_eq!(lines[2]["event"], "ready");
    }

    #[test]
    fn people_get_an_order_that_is_well_formed() {
        let text = welcome(&addrs());
        let body = &text[text.find("-d '{").unwrap() + 4..text.find("}'").unwrap() + 1];
        let order: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(order["items"][0]["productId"], TEST_PRODUCT_ID);
    }
}
