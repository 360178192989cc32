//! `orders`: the Orders service alone, next to a broker.

use std::process::ExitCode;

use clap::Parser;
use holdfast_orders::alone::{self, AloneArgs};

/// The Orders service alone: takes orders, keeps them, and tells clients live. It talks to the Products service over
/// Kafka, so it needs KAFKA_BROKERS; `holdfast` runs everything in one process without a broker.
///
/// Every option is also an environment variable; `.env.local` and `.env` in the current folder are honoured.
#[derive(Debug, Parser)]
#[command(name = "orders", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    args: AloneArgs,
}

fn main() -> ExitCode {
    holdfast_service::alone::main("orders", |cli: &Cli| &cli.args.runtime, |cli| alone::run(cli.args))
}
