//! `products`: the Products service in a process of its own, next to a broker.

use std::process::ExitCode;

use clap::Parser;
use holdfast_products::alone::{self, AloneArgs};

/// The Products service alone: owns the catalogue and the stock, and decides which order gets it. Orders reach it over
/// Kafka, so it needs KAFKA_BROKERS; `holdfast` runs everything in one process without a broker.
///
/// Every option is also an environment variable; `.env.local` and `.env` in the current folder are honoured.
#[derive(Debug, Parser)]
#[command(name = "products", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    args: AloneArgs,
}

fn main() -> ExitCode {
    holdfast_service::alone::main("products", |cli: &Cli| &cli.args.runtime, |cli| alone::run(cli.args))
}
