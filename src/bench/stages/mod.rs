//! `holdfast bench --stages`: the two stages of a cluster that have something to be compared with.
//!
//! - *Relay*: from a service's database to Kafka, beside a bare idempotent producer that sends the same messages.
//! - *Consumer*: Products' consumer of the requests that the relay has sent, with whole batches and with one order per
//!   transaction; orders spread over products, and all for one.
//!
//! Everything is the shipped code, run in this process on databases and topics of its own; what is compared takes turns.

mod consumer;
mod fill;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use holdfast_bus::{KafkaBus, KafkaConfig};
use holdfast_orders::service as orders;
use holdfast_products::service as products;
use holdfast_service::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::args::BenchArgs;
use super::report::Ratio;
use super::target::{Cluster, Launcher};

/// What was found, one figure a round. Serialised, it is the document that `--json` prints.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stages {
    pub(crate) version: &'static str,
    pub(crate) orders: u64,
    pub(crate) store: &'static str,
    /// Messages per second of the bare producer.
    pub(crate) bare: Vec<f64>,
    /// Of the relay, from the first look at the database until all was recorded as sent.
    pub(crate) relay: Vec<f64>,
    /// Orders per second of the consumer, spread over products.
    pub(crate) batched: Vec<f64>,
    /// All for one product.
    pub(crate) hot: Vec<f64>,
    /// Spread, one order per transaction.
    pub(crate) one_by_one: Vec<f64>,
    pub(crate) ratios: StageRatios,
}

/// Medians of the ratios within each round.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageRatios {
    pub(crate) relay_to_bare: Option<Ratio>,
    pub(crate) batched_to_one_by_one: Option<Ratio>,
    pub(crate) hot_to_batched: Option<Ratio>,
}

/// Measures the stages.
///
/// # Errors
/// If a server is away, or refuses something.
pub(crate) async fn run(
    args: &BenchArgs,
    launcher: &Launcher,
    stop: &CancellationToken,
) -> anyhow::Result<Stages> {
    let cluster = launcher.cluster.as_ref().context("--stages needs --kafka")?;
    let mut stages = Stages {
        version: env!("CARGO_PKG_VERSION"),
        orders: args.orders,
        store: if cluster.mongodb.is_some() { "MongoDB" } else { "SQLite" },
        ..Stages::default()
    };
    let bar = progress_bar(u64::from(args.rounds()) * 5);
    for round in 1..=args.rounds() {
        if stop.is_cancelled() {
            break;
        }
        let world = World::make(launcher, cluster, round).await?;
        let measured = world.round(args, &mut stages, &bar, stop).await;
        world.close().await;
        measured?;
    }
    bar.finish_and_clear();
    stages.ratios = StageRatios {
        relay_to_bare: Ratio::of_rounds(&stages.relay, &stages.bare),
        batched_to_one_by_one: Ratio::of_rounds(&stages.batched, &stages.one_by_one),
        hot_to_batched: Ratio::of_rounds(&stages.hot, &stages.batched),
    };
    Ok(stages)
}

/// Databases and topics of a round: one set for spread orders, one for those that all want one product.
struct World {
    spread: Side,
    hot: Side,
    /// Where the bare producer sends to.
    bare: KafkaBus,
}

/// A system that is not started.
struct Side {
    orders: orders::Database,
    products: Arc<products::Database>,
    /// Again, untouched: for the consumer that takes one order at a time.
    others: Arc<products::Database>,
    bus: KafkaBus,
    _folder: TempDir,
}

impl World {
    async fn make(launcher: &Launcher, cluster: &Cluster, round: u32) -> anyhow::Result<Self> {
        let name = |side: &str| format!("bench-{}-{round}-{side}", std::process::id());
        Ok(Self {
            spread: Side::make(launcher, cluster, &name("spread")).await?,
            hot: Side::make(launcher, cluster, &name("hot")).await?,
            bare: bus(cluster, &name("bare")).await?,
        })
    }

    async fn round(
        &self,
        args: &BenchArgs,
        stages: &mut Stages,
        bar: &ProgressBar,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Self { spread, hot, bare } = self;
        bar.set_message("taking orders");
        let catalogue = fill::catalogue(args.products as usize);
        fill::orders(&spread.orders, &catalogue, args.orders).await?;
        fill::orders(&hot.orders, &catalogue[..1], args.orders).await?;
        for products in [&spread.products, &spread.others, &hot.products] {
            fill::products(products, &catalogue).await?;
        }
        bar.set_message("relay");
        stages.relay.push(relay::relay(&spread.orders, &spread.bus, stop).await?);
        bar.inc(1);
        bar.set_message("bare producer");
        stages.bare.push(relay::bare(&spread.bus, bare).await?);
        bar.inc(1);
        bar.set_message("consumer");
        stages.batched.push(consumer::rate(&spread.products, &spread.bus, args.orders, None).await?);
        bar.inc(1);
        bar.set_message("consumer, one order per transaction");
        let few = args.orders.min(consumer::ONE_BY_ONE);
        stages.one_by_one.push(consumer::rate(&spread.others, &spread.bus, few, Some(1)).await?);
        bar.inc(1);
        bar.set_message("consumer, hot");
        relay::relay(&hot.orders, &hot.bus, stop).await?;
        stages.hot.push(consumer::rate(&hot.products, &hot.bus, args.orders, None).await?);
        bar.inc(1);
        Ok(())
    }

    async fn close(self) {
        for side in [self.spread, self.hot] {
            side.orders.close().await;
            side.products.close().await;
            side.others.close().await;
        }
    }
}

impl Side {
    async fn make(launcher: &Launcher, cluster: &Cluster, name: &str) -> anyhow::Result<Self> {
        let folder = launcher.temporary_folder()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let other = folder.path().join("other");
        let (orders, products, others) = match &cluster.mongodb {
            Some(uri) => (
                orders::Database::open_mongodb(uri, &format!("{name}-orders"), clock).await?,
                products::Database::open_mongodb(uri, &format!("{name}-products")).await?,
                products::Database::open_mongodb(uri, &format!("{name}-others")).await?,
            ),
            None => (
                orders::Database::open_sqlite_outbox(folder.path(), clock).await?,
                products::Database::open_sqlite_outbox(folder.path()).await?,
                products::Database::open_sqlite_outbox(&other).await?,
            ),
        };
        for backend in [&orders.backend, &products.backend, &others.backend] {
            backend.prepare().await.context("reaching the database")?;
        }
        Ok(Self {
            orders,
            products: Arc::new(products),
            others: Arc::new(others),
            bus: bus(cluster, name).await?,
            _folder: folder,
        })
    }
}

async fn bus(cluster: &Cluster, name: &str) -> anyhow::Result<KafkaBus> {
    let mut config = KafkaConfig::new(&cluster.kafka);
    config.topic_prefix = format!("{name}.");
    config.group_prefix = format!("{name}.");
    let bus = KafkaBus::new(config)?;
    bus.ensure_topics().await.context("reaching Kafka")?;
    Ok(bus)
}

fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { count as f64 / took.as_secs_f64() }
}

/// On standard error, and only if that is a terminal.
fn progress_bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("stages {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
