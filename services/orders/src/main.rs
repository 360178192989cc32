//! `orders`: the Orders service alone, next to a broker.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use holdfast_orders::service;
use holdfast_service::config::{CommonArgs, OrdersArgs, load_env_file};

/// The Orders service alone: takes orders, keeps them, and tells clients live. It talks to the Products service over
/// Kafka, so it needs KAFKA_BROKERS; `holdfast` runs everything in one process without a broker.
///
/// Every option is also an environment variable; `.env.local` and `.env` in the current folder are honoured.
#[derive(Debug, Parser)]
#[command(name = "orders", version)]
struct Cli {
    #[command(flatten)]
    orders: OrdersArgs,
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    for file in [".env.local", ".env"] {
        if let Err(error) = load_env_file(file) {
            return refuse(&error);
        }
    }
    let Cli { common, .. } = Cli::parse();
    match service::check_alone(&common) {
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    // If even that cannot be written, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "orders: {}", holdfast_service::telemetry::chain(error));
    ExitCode::from(2)
}
