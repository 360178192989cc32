//! `products`: the Products service in a process of its own, next to a broker.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use holdfast_products::alone::{self, AloneArgs};
use holdfast_service::config::load_env_file;
use holdfast_service::telemetry::chain;

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
    for file in [".env.local", ".env"] {
        if let Err(error) = load_env_file(file) {
            return refuse(&error);
        }
    }
    let Cli { args } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.runtime.worker_threads())
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let code = runtime.block_on(Box::pin(alone::run(args)));
    // A read of standard input cannot be cut; the process does not wait for it.
    runtime.shutdown_background();
    code.unwrap_or_else(|error| refuse(&error))
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    // If even that cannot be written, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "products: {}", chain(error));
    ExitCode::from(2)
}
