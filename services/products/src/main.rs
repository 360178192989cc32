//! `products`: the Products service in a process of its own.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgAction, Parser};
use holdfast_products::service;
use holdfast_service::config::{CommonArgs, ProductsArgs, load_env_file};
use holdfast_service::telemetry::chain;

/// The Products service of Holdfast: owns the catalogue and the stock, and decides which order gets it.
///
/// Runs alone only where Kafka carries its messages; `holdfast` runs everything in one process. Variables are also read
/// from `.env.local` and `.env` in the current folder.
#[derive(Debug, Parser)]
#[command(name = "products", version)]
struct Arguments {
    #[command(flatten)]
    products: ProductsArgs,

    #[command(flatten)]
    common: CommonArgs,

    /// Fill an empty catalogue with sample products.
    #[arg(
        long,
        env = "SAMPLE_DATA",
        default_value_t = false,
        action = ArgAction::Set,
        value_name = "BOOL",
        help_heading = "Behaviour"
    )]
    sample_data: bool,
}

fn main() -> ExitCode {
    for file in [".env.local", ".env"] {
        if let Err(error) = load_env_file(Path::new(file)) {
            return refuse(&chain(&error));
        }
    }
    let arguments = Arguments::parse();
    refuse(&service::alone(arguments.common.kafka_brokers()).to_string())
}

fn refuse(problem: &str) -> ExitCode {
    // If nobody can be told, the exit code still says it: 2, as for wrong arguments.
    let _ = writeln!(std::io::stderr(), "products: {problem}");
    ExitCode::from(2)
}
