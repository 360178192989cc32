//! `holdfast seed`: the sample catalogue, put into a database file that no process has open, or into a MongoDB database.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use holdfast_contract::Currency;
use holdfast_products::decider;
use holdfast_products::sample;
use holdfast_products::service::{DATABASE_FILE, Database};
use holdfast_service::config::MongoArgs;
use holdfast_service::{Clock, Lifecycle, Steps, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::cli::RuntimeArgs;

/// Arguments of `holdfast seed`.
#[derive(Args, Clone, Debug)]
pub struct SeedArgs {
    /// Folder of the databases; made if it is not there.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// MongoDB, instead of a folder.
    #[command(flatten)]
    pub mongodb: MongoArgs,

    /// Currency of the prices (ISO 4217).
    #[arg(long, env = "CURRENCY", default_value = "USD", value_name = "CODE")]
    pub currency: Currency,

    /// Add the sample products that are missing also to a catalogue that has others.
    #[arg(long)]
    pub force: bool,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Fills an empty catalogue with the sample products, and says on `out` how many were added.
///
/// # Errors
/// If the database cannot be opened (also if `holdfast` is running on its file), or a product cannot be written.
pub async fn run(args: SeedArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let file = args.data_dir.join(DATABASE_FILE);
    let (database, place) = match args.mongodb.uri() {
        Some(uri) => {
            let name = &args.mongodb.mongodb_products_db;
            (Database::open_mongodb(uri, name).await, format!("the database {name}"))
        }
        None => (Database::open_sqlite(&args.data_dir), file.display().to_string()),
    };
    let database = database.with_context(|| format!("opening {place}"))?;
    let seeded = fill(&database, &args).await;
    database.close().await;
    let sample::Seeded { created, skipped } = seeded?;
    writeln!(out, "{created} sample products added to {place}, {skipped} left out")?;
    if created == 0 && !args.force {
        writeln!(out, "The catalogue is not empty; --force adds the missing ones to it.")?;
    }
    Ok(())
}

async fn fill(database: &Database, args: &SeedArgs) -> anyhow::Result<sample::Seeded> {
    database.backend.prepare().await.context("reaching the database")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lifecycle = Lifecycle::new(std::time::Duration::from_secs(10));
    let store = database.store.clone();
    let (decider, actor) = decider::start(store.clone(), Arc::clone(&clock), Steps::new(clock));
    lifecycle.spawn("products decider", actor.run(CancellationToken::new()));
    let seeded = sample::seed(&*store, &decider, args.currency, args.force).await;
    // The decider ends when nobody can ask it any more.
    drop(decider);
    lifecycle.shutdown();
    lifecycle.wait().await;
    Ok(seeded?)
}
