//! `holdfast export products` and `holdfast import products`: the catalogue as a file, to and from a running system.

mod export;
mod import;
mod lines;
mod row;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use holdfast_contract::Currency;

use crate::cli::RuntimeArgs;
use crate::client::{CallerArgs, Endpoint, endpoint};
use crate::commands::operator::{Service, ServiceName};

/// Arguments of `holdfast export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// What to export.
    #[command(subcommand)]
    pub what: Export,
}

/// What can be exported.
#[derive(Clone, Debug, Subcommand)]
pub enum Export {
    /// The catalogue, in the order in which the products were made.
    Products(ExportProducts),
}

/// Arguments of `holdfast export products`.
#[derive(Args, Clone, Debug)]
pub struct ExportProducts {
    /// File to write; must not be there yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where, and as whom.
    #[command(flatten)]
    pub shop: ShopArgs,
}

/// Arguments of `holdfast import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// What to import.
    #[command(subcommand)]
    pub what: Import,
}

/// What can be imported.
#[derive(Clone, Debug, Subcommand)]
pub enum Import {
    /// Make the products of a file, or change those that are there: a product is known by its SKU.
    Products(ImportProducts),
}

/// Arguments of `holdfast import products`.
#[derive(Args, Clone, Debug)]
pub struct ImportProducts {
    /// File to read.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Check every row, say what would be made and what is there already, and change nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Go on with this line of the file: where an earlier run has stopped.
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    pub from_line: u64,

    /// Rows that are sent at once, each over a connection of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub connections: u16,

    /// The shop's currency (ISO 4217).
    #[arg(long, env = "CURRENCY", default_value = "USD", value_name = "CODE", value_parser = Currency::iso)]
    pub currency: Currency,

    /// Where, and as whom.
    #[command(flatten)]
    pub shop: ShopArgs,
}

/// Where the products service is, and what the file is.
#[derive(Args, Clone, Debug)]
pub struct ShopArgs {
    /// The running products service.
    #[arg(long = "url", env = "PRODUCTS_URL", default_value = "http://127.0.0.1:3001", value_name = "URL", value_parser = endpoint)]
    pub url: Endpoint,

    /// As whom.
    #[command(flatten)]
    pub caller: CallerArgs,

    /// What the file is, if its name does not end in .csv, .jsonl or .ndjson.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// What a file of products is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180) with a first line that names the columns.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

impl ShopArgs {
    fn format_of(&self, file: &Path) -> anyhow::Result<Format> {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match (self.format, extension.to_ascii_lowercase().as_str()) {
            (Some(format), _) => Ok(format),
            (None, "csv") => Ok(Format::Csv),
            (None, "jsonl" | "ndjson") => Ok(Format::Jsonl),
            _ => bail!("{} may be anything: give --format csv or --format jsonl", file.display()),
        }
    }

    fn service(&self) -> Service {
        Service::new(ServiceName::Products, self.url.by(&self.caller))
    }
}

/// Writes the catalogue to a new file and says on `out` what it wrote.
///
/// # Errors
/// If the file is there, cannot be written, or the service says no.
pub async fn export(args: ExportArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let Export::Products(args) = args.what;
    export::run(&args, out).await
}

/// Makes and changes products as a file says, and says on `out` what it did and on standard error which rows are wrong. Exit
/// code 0 if all rows are done, 1 if one is wrong or was refused, 130 after Ctrl-C.
///
/// # Errors
/// If the file cannot be read, or the service does not answer.
pub async fn import(args: ImportArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let Import::Products(args) = args.what;
    import::run(args, out).await
}
