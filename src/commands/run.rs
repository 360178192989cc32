//! `holdfast` without a subcommand: both services in one process, over the embedded bus.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{ArgAction, Args};
use holdfast_bus::{Bus, EmbeddedBus, ORDERS_GROUP, PRODUCTS_GROUP, Valve};
use holdfast_contract::Topic;
use holdfast_orders::service::{self as orders, Orders};
use holdfast_products::sample::TEST_PRODUCT_ID;
use holdfast_products::service as products;
use holdfast_service::TimeOrderedKeys;
use holdfast_service::broker::Broker;
use holdfast_service::config::{Backends, CommonArgs, OrdersArgs, ProbeArgs, ProductsArgs, is_exposed};
use holdfast_service::http::{AllowedHosts, HttpOptions, HttpServer, ServerOptions};
use holdfast_service::process::{Process, announce};
use holdfast_storage::{Inbox, StoreError};
use holdfast_web::{Upstream, WebArgs};

use crate::cli::RuntimeArgs;
use crate::demo::Demo;

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

    /// The web app.
    #[command(flatten)]
    pub web: WebArgs,

    /// Let the web app do harm for show: poison messages, duplicates, a paused consumer. Only with the embedded bus
    /// [default: true with SAMPLE_DATA, where nobody else can reach it].
    #[arg(long, env = "DEMO", action = ArgAction::Set, value_name = "BOOL", help_heading = "Web app")]
    pub demo: Option<bool>,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// For measuring.
    #[command(flatten)]
    pub probe: ProbeArgs,
}

/// Runs both services until SIGTERM, Ctrl-C or a failure.
///
/// # Errors
/// If what is configured does not go together, a database file cannot be opened, or an address cannot be had.
pub async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    let backends = common.backends()?;
    let broker = match backends {
        Backends::Embedded => None,
        Backends::KafkaAndSqlite { brokers } | Backends::KafkaAndMongo { brokers, .. } => {
            Some(Broker::new(&common.kafka, brokers)?)
        }
    };
    let services = [args.orders.orders_addr, args.products.products_addr];
    let addrs = [&services, args.web.wanted(&WEB_ADDRS)].concat();
    let process = Process::begin("holdfast", common, &addrs, &args.probe)?;
    let orders_db = orders::Database::open(common, backends, Arc::clone(&process.clock)).await;
    let orders_db = Arc::new(orders_db.map_err(not_opened)?);
    let products_db = Arc::new(products::Database::open(common, backends).await.map_err(not_opened)?);
    let addrs = start(&args, &process, &orders_db, &products_db, broker).await;
    let started = addrs.and_then(|addrs| {
        let Addrs { orders, products, web } = &addrs;
        let web = web.iter().map(|addr| ("web", *addr));
        let listening: Vec<_> =
            [("orders", *orders), ("products", *products)].into_iter().chain(web).collect();
        Ok(announce(&listening, &welcome(&addrs, common.tls.is_on()))?)
    });
    if started.is_err() {
        process.lifecycle.shutdown();
    }
    let close = async move {
        products_db.close().await;
        orders_db.close().await;
    };
    let code = process.end(close).await;
    started?;
    Ok(code)
}

struct Addrs {
    orders: SocketAddr,
    products: SocketAddr,
    web: Vec<SocketAddr>,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The web app's, where none are configured. Next to a broker, its own UI has the second.
const WEB_ADDRS: [SocketAddr; 2] = [loopback(3006), loopback(8080)];

impl RunArgs {
    /// Whether the web app may do harm for show.
    ///
    /// # Errors
    /// If it is asked for where it cannot be.
    fn demo(&self, backends: Backends<'_>) -> anyhow::Result<bool> {
        let embedded = matches!(backends, Backends::Embedded);
        if self.demo == Some(true) && !embedded {
            return Err(anyhow!("DEMO needs the embedded bus: unset it, or KAFKA_BROKERS"));
        }
        let web = self.web.web_addrs.iter().flat_map(|list| &list.0);
        let mut all = web.chain([&self.orders.orders_addr, &self.products.products_addr]);
        // Names of its own are those of a proxy, through which others come.
        let proxied = self.common.allowed_hosts != AllowedHosts::ByAddress;
        let alone = !proxied && !all.any(|addr| is_exposed(*addr));
        Ok(self.demo.unwrap_or(embedded && self.sample_data && alone))
    }
}

async fn start(
    args: &RunArgs,
    process: &Process,
    orders_db: &Arc<orders::Database>,
    products_db: &Arc<products::Database>,
    broker: Option<Broker>,
) -> anyhow::Result<Addrs> {
    let common = &args.common;
    let demo = args.demo(common.backends()?)?;
    let valve = Valve::default();
    let inbox: Arc<dyn Inbox> = products_db.store.clone();
    let (bus, requests): (Arc<dyn Bus>, Arc<dyn Inbox>) = match &broker {
        Some(broker) => {
            broker.keep_topics(&process.lifecycle);
            (Arc::new(broker.bus().clone()), broker.bus().committed())
        }
        None => {
            let journals = [orders_db.journal.clone(), products_db.journal.clone()];
            (Arc::new(EmbeddedBus::new(journals.into_iter().flatten().collect())), inbox)
        }
    };
    let server = HttpServer::bind(args.products.products_addr, ServerOptions::from_args(common)?).await;
    let server = server.map_err(|error| not_listening(&error, "PRODUCTS_ADDR"))?;
    let products = products::start(products::Deps {
        database: Arc::clone(products_db),
        bus: Arc::clone(&bus),
        broker: broker.clone(),
        consumed_by: vec![(ORDERS_GROUP, Topic::TO_ORDERS, Arc::clone(&orders_db.inbox))],
        server,
        http: HttpOptions::from_args(common, args.products.products_addr)?,
        process: process.clone(),
        keys: Arc::new(TimeOrderedKeys::with_random_instance(Arc::clone(&process.clock))),
        currency: common.currency,
        journal_retention: common.journal_retention(),
        audit_every: common.audit_every(),
        sample_data: args.sample_data,
        pause_consumers: args.probe.pause_consumers,
        valve: valve.clone(),
    })
    .await
    .context("the products service did not start")?;
    let mut settings = orders::Settings::from_args(args.orders.orders_addr, common)?;
    settings.pause_consumers = args.probe.pause_consumers;
    let orders = Orders::start(orders::Deps {
        database: Arc::clone(orders_db),
        bus,
        broker,
        consumed_by: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, requests)],
        process: process.clone(),
        settings,
    })
    .await
    .map_err(|error| match error {
        orders::StartError::Listen(error) => not_listening(&error, "ORDERS_ADDR"),
        other => anyhow::Error::new(other).context("the orders service did not start"),
    })?;
    let embedded = matches!(common.backends()?, Backends::Embedded);
    let files = orders_db.file.clone().zip(products_db.file.clone());
    let demo = files.filter(|_| demo).map(|(orders, products)| {
        Demo { orders, products, clock: Arc::clone(&process.clock), valve }.router()
    });
    let settings = holdfast_web::Settings {
        orders: Upstream::Here(orders.router().clone()),
        products: Upstream::Here(products.router),
        currency: common.currency,
        bus: if embedded { "embedded" } else { "kafka" },
        auth: process.auth.clone(),
        demo,
    };
    let default = if embedded { &WEB_ADDRS[..] } else { &WEB_ADDRS[..1] };
    let web = holdfast_web::start(&args.web, default, common, settings, &process.lifecycle).await?;
    Ok(Addrs { orders: orders.addr(), products: products.addr, web })
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

fn welcome(addrs: &Addrs, tls: bool) -> String {
    let (http, ws) = if tls { ("https", "wss") } else { ("http", "ws") };
    let Addrs { orders, products, web } = addrs;
    let web = web.first().map(|addr| format!("    Web app    {http}://{addr}\n")).unwrap_or_default();
    format!(
        r#"
  Holdfast is running. Ctrl-C stops it.

{web}    Orders     {http}://{orders}/api/v1/orders      live: {ws}://{orders}/ws and Socket.IO
    Products   {http}://{products}/api/v1/products

  See what is in stock:

    curl -s {http}://{products}/api/v1/products

  Place an order, and watch its stock being held in the lines below:

    curl -s {http}://{orders}/api/v1/orders -H 'Content-Type: application/json' -d '{{
      "userId": "test-user-123",
      "items": [{{"productId": "{TEST_PRODUCT_ID}", "productName": "Test Product", "quantity": 2, "price": 29.99}}],
      "totalAmount": 59.98,
      "shippingAddress": {{"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"}},
      "paymentMethod": "credit_card"
    }}'

  Cancel it (the _id is in the answer), and its stock comes back:

    curl -s -X PATCH {http}://{orders}/api/v1/orders/ID/status -H 'Content-Type: application/json' -d '{{"status": 5}}'

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs() -> Addrs {
        Addrs {
            orders: ([127, 0, 0, 1], 3004).into(),
            products: ([127, 0, 0, 1], 3001).into(),
            web: vec![loopback(3006)],
        }
    }

    #[test]
    fn people_get_an_order_that_is_well_formed() {
        let text = welcome(&addrs(), false);
        let body = &text[text.find("-d '{").unwrap() + 4..text.find("}'").unwrap() + 1];
        let order: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(order["items"][0]["productId"], TEST_PRODUCT_ID);
    }
}
