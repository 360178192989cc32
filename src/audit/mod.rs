//! `holdfast audit`: whether the books balance, in the Products database and across both.
//!
//! Every product's balances must follow from its movements and open holds (contract, invariant 7), and what each order
//! says of its stock must be what Products decided about it.

mod cross;
mod explain;
mod rebuild;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use holdfast_orders::service as orders;
use holdfast_orders::sqlite::{SqliteOptions, SqliteOrders};
use holdfast_products::service as products;
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::SystemClock;
use holdfast_service::config::MongoArgs;
use holdfast_storage::StoreError;
use holdfast_storage::sqlite::freeze;
use serde_json::json;

use crate::cli::RuntimeArgs;

/// Findings that are printed; more are only counted.
const SHOWN: usize = 50;

/// Arguments of `holdfast audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// Folder of the databases.
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// MongoDB, instead of a folder.
    #[command(flatten)]
    pub mongodb: MongoArgs,

    /// Show what is behind a product's stock (its id, SKU or name): each hold, the orders behind them, and the movements
    /// that add up to the number that is shown.
    #[arg(long, value_name = "PRODUCT")]
    pub explain: Option<String>,

    /// With --explain: every movement and every hold, and not only the newest movements and the oldest holds.
    #[arg(long, requires = "explain")]
    pub all: bool,

    /// Rebuild stock and holds from the movements; without --apply only the difference is shown.
    #[arg(long, conflicts_with = "explain")]
    pub rebuild: bool,

    /// With --rebuild: change what is stored. The service must not run on SQLite files; on MongoDB it waits meanwhile.
    #[arg(long, requires = "rebuild")]
    pub apply: bool,

    /// Print one JSON document, for programs.
    #[arg(long)]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// In which state the databases were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing runs on them.
    AtRest,
    /// Copies of what a running system has.
    Snapshots,
    /// While a system may be running on them.
    InPlace,
}

/// What was looked at, and what is wrong.
#[derive(Debug)]
struct Audit {
    seen: Seen,
    stock: holdfast_products::audit::Report,
    orders: cross::Report,
}

impl Audit {
    fn problems(&self) -> u64 {
        self.stock.total_findings + self.orders.total_findings
    }
}

/// Audits the databases in a folder and says on `out` what was found: exit code 0 if everything adds up, 1 if not.
///
/// A running system is audited on snapshots of its files; on MongoDB, what is wrong must be wrong twice.
///
/// # Errors
/// If there are no databases, or they cannot be read.
pub async fn run(args: AuditArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(&args).await?;
    if opened.seen == Seen::Snapshots && args.apply {
        opened.close().await;
        bail!("{} is in use: stop the service that runs on it first", args.data_dir.display());
    }
    let done = match &args.explain {
        Some(product) => explain::run(&opened, product, &args, out).await,
        None if args.rebuild => rebuild::run(&opened, &args, out).await,
        None => check(&opened, &args, out).await,
    };
    opened.close().await;
    done
}

async fn check(opened: &Opened, args: &AuditArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let mut audit = opened.examine().await;
    for _ in 1..LOOKS {
        match &audit {
            Ok(found) if found.problems() > 0 && opened.seen == Seen::InPlace => {
                audit = opened.examine().await
            }
            _ => break,
        }
    }
    let audit = audit?;
    if args.json {
        print_json(&audit, out)?
    } else {
        print_text(&audit, out)?
    }
    Ok(if audit.problems() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How often a running system is looked at anew while something seems wrong: what is committed between two reads can
/// look so, and does not look so again.
const LOOKS: usize = 5;

/// Audits the databases in a folder that nothing runs on; gives how many problems there are. Every page is proved too.
///
/// # Errors
/// If they are not there, in use, or damaged.
pub(crate) async fn problems_in(folder: &Path) -> anyhow::Result<u64> {
    let (orders, products) = open(&Files::in_folder(folder)?).await?;
    let opened = Opened { seen: Seen::AtRest, orders, products, _folder: None };
    let audit = opened.examine().await;
    opened.close().await;
    Ok(audit?.problems())
}

/// Both databases, and how they were found.
struct Opened {
    seen: Seen,
    orders: Arc<orders::Database>,
    products: Arc<products::Database>,
    /// Of the snapshots, if they are some.
    _folder: Option<Scratch>,
}

impl Opened {
    async fn open(args: &AuditArgs) -> anyhow::Result<Self> {
        match args.mongodb.uri() {
            Some(uri) => Self::on_mongodb(uri, &args.mongodb).await,
            None => Self::in_folder(&args.data_dir).await,
        }
    }

    async fn on_mongodb(uri: &str, args: &MongoArgs) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock);
        let orders = orders::Database::open_mongodb(uri, &args.mongodb_orders_db, clock).await?;
        let products = products::Database::open_mongodb(uri, &args.mongodb_products_db).await?;
        let (orders, products) = (Arc::new(orders), Arc::new(products));
        Ok(Self { seen: Seen::InPlace, orders, products, _folder: None })
    }

    async fn in_folder(data_dir: &Path) -> anyhow::Result<Self> {
        let files = Files::in_folder(data_dir)?;
        match open(&files).await {
            Ok((orders, products)) => Ok(Self { seen: Seen::AtRest, orders, products, _folder: None }),
            Err(StoreError::InUse(_)) => {
                let folder = Scratch::make(data_dir)?;
                let copies =
                    Files { orders: folder.0.join("orders.db"), products: folder.0.join("products.db") };
                let frozen = freeze(&[&files.orders, &files.products])?;
                for (frozen, copy) in frozen.iter().zip([&copies.orders, &copies.products]) {
                    frozen.copy_to(copy, |_| true)?;
                }
                drop(frozen);
                let (orders, products) = open(&copies).await?;
                Ok(Self { seen: Seen::Snapshots, orders, products, _folder: Some(folder) })
            }
            Err(error) => Err(error).context("opening the databases"),
        }
    }

    async fn examine(&self) -> anyhow::Result<Audit> {
        let (seen, products) = (self.seen, &*self.products.store);
        let stock = holdfast_products::audit::audit(products).await.context("reading the stock")?;
        let orders = cross::audit(&*self.orders.store, products, seen != Seen::AtRest).await;
        Ok(Audit { seen, stock, orders: orders.context("comparing orders with stock")? })
    }

    async fn close(self) {
        self.orders.close().await;
        self.products.close().await;
    }
}

struct Files {
    orders: PathBuf,
    products: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let files = Self {
            orders: folder.join(holdfast_orders::service::DATABASE_FILE),
            products: folder.join(holdfast_products::service::DATABASE_FILE),
        };
        for file in [&files.orders, &files.products] {
            // Opening would make an empty one, and that would be clean.
            if !file.is_file() {
                bail!("{} is not there: is {} the data folder?", file.display(), folder.display());
            }
        }
        Ok(files)
    }
}

/// A folder for snapshots, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join(format!("audit-{}.tmp", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn open(files: &Files) -> Result<(Arc<orders::Database>, Arc<products::Database>), StoreError> {
    let orders = SqliteOrders::open(&SqliteOptions::new(&files.orders)).await?;
    orders.database().check_pages().await?;
    let orders = orders::Database::sqlite(orders, Arc::new(SystemClock)).await?;
    let products = SqliteProducts::open(&files.products)?;
    products.database().check_pages().await?;
    let products = products::Database::sqlite(products);
    Ok((Arc::new(orders), Arc::new(products)))
}

fn print_seen(seen: Seen, out: &mut dyn Write) -> std::io::Result<()> {
    match seen {
        Seen::AtRest => Ok(()),
        Seen::Snapshots => writeln!(out, "The system is running: these are snapshots of its databases."),
        Seen::InPlace => writeln!(
            out,
            "The system may be running: a problem counts only if it is there each time it is looked at."
        ),
    }
}

fn print_text(audit: &Audit, out: &mut dyn Write) -> std::io::Result<()> {
    let Audit { seen, stock, orders } = audit;
    print_seen(*seen, out)?;
    writeln!(
        out,
        "Looked at {} products, {} movements, {} open holds and {} orders, of which {} wait for an answer.",
        stock.products, stock.movements, stock.holds, orders.orders, orders.waiting
    )?;
    let findings = stock.findings.iter().map(ToString::to_string);
    let findings: Vec<String> = findings.chain(orders.findings.iter().map(ToString::to_string)).collect();
    for finding in findings.iter().take(SHOWN) {
        writeln!(out, "  WRONG: {finding}")?;
    }
    match audit.problems() {
        0 => writeln!(
            out,
            "Clean: every balance follows from its movements, and every order has what it says."
        ),
        1 => writeln!(out, "1 problem."),
        many => writeln!(out, "{many} problems."),
    }
}

fn print_json(audit: &Audit, out: &mut dyn Write) -> std::io::Result<()> {
    let Audit { seen, stock, orders } = audit;
    let document = json!({
        "clean": audit.problems() == 0,
        "live": *seen != Seen::AtRest,
        "products": stock.products,
        "movements": stock.movements,
        "holds": stock.holds,
        "orders": orders.orders,
        "waiting": orders.waiting,
        "problems": audit.problems(),
        "findings": {
            "stock": stock.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "orders": orders.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    });
    writeln!(out, "{document:#}")
}
