//! `holdfast seed`: the sample catalogue, put into a database that no process has open.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use holdfast_contract::Currency;
use holdfast_products::decider;
use holdfast_products::sample;
use holdfast_products::service::DATABASE_FILE;
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::{Clock, Lifecycle, Steps, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::cli::RuntimeArgs;

/// Arguments of `holdfast seed`.
#[derive(Args, Clone, Debug)]
pub struct SeedArgs {
    /// Folder of the databases; made if it is not there.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

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
/// If the database cannot be opened (also if `holdfast` is running on it), or a product cannot be written.
pub async fn run(args: SeedArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let file = args.data_dir.join(DATABASE_FILE);
    let store = Arc::new(SqliteProducts::open(&file).with_context(|| format!("opening {}", file.display()))?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lifecycle = Lifecycle::new(std::time::Duration::from_secs(10));
    let (decider, actor) = decider::start(store.clone(), Arc::clone(&clock), Steps::new(clock));
    lifecycle.spawn("products decider", actor.run(CancellationToken::new()));
    let seeded = sample::seed(&*store, &decider, args.currency, args.force).await;
    // The decider ends when nobody can ask it any more.
    drop(decider);
    lifecycle.shutdown();
    lifecycle.wait().await;
    store.close().await;
    let sample::Seeded { created, skipped } = seeded?;
    writeln!(out, "{created} sample products added to {}, {skipped} left out", file.display())?;
    if created == 0 && !args.force {
        writeln!(out, "The catalogue is not empty; --force adds the missing ones to it.")?;
    }
    Ok(())
}
