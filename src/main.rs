//! The program `holdfast`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use holdfast::cli::{Cli, Command};
use holdfast::{audit, backup, bench, catalogue, chaos, commands, doctor};
use holdfast_service::config::load_env_file;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            // A chain of causes for a person, never a backtrace. If it cannot be written, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "holdfast: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn start() -> anyhow::Result<ExitCode> {
    // Before any thread, and before the arguments, which take their defaults from the environment.
    load_env_file(".env")?;
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cli.runtime().worker_threads())
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let code = runtime.block_on(Box::pin(run(cli)));
    // A read of standard input cannot be cut; the process does not wait for it.
    runtime.shutdown_background();
    code
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => Box::pin(commands::run::run(cli.run)).await,
        Some(Command::Orders(args)) => Ok(Box::pin(holdfast_orders::alone::run(*args)).await?),
        Some(Command::Products(args)) => Ok(Box::pin(holdfast_products::alone::run(*args)).await?),
        Some(Command::Seed(args)) => {
            commands::seed::run(args, &mut std::io::stdout()).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Audit(args)) => Box::pin(audit::run(args, &mut std::io::stdout())).await,
        Some(Command::Backup(args)) => Box::pin(backup::run(args, &mut std::io::stdout())).await,
        Some(Command::Restore(args)) => Box::pin(backup::restore(args, &mut std::io::stdout())).await,
        Some(Command::Export(args)) => Box::pin(catalogue::export(args, &mut std::io::stdout())).await,
        Some(Command::Import(args)) => Box::pin(catalogue::import(args, &mut std::io::stdout())).await,
        Some(Command::Doctor(args)) => Box::pin(doctor::run(*args, &mut std::io::stdout())).await,
        Some(Command::Health(args)) => Box::pin(commands::health::run(*args, &mut std::io::stdout())).await,
        Some(Command::Dlq(args)) => Box::pin(commands::dlq::run(*args, &mut std::io::stdout())).await,
        Some(Command::Topics(args)) => Box::pin(commands::topics::run(*args, &mut std::io::stdout())).await,
        Some(Command::Groups(args)) => Box::pin(commands::groups::run(*args, &mut std::io::stdout())).await,
        Some(Command::Token(args)) => {
            commands::token::run(&args, &mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::ApiDocs(args)) => {
            commands::api_docs::run(&args)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Sim(args)) => Box::pin(commands::sim::simulate(args, &mut std::io::stdout())).await,
        Some(Command::Bench(args)) => {
            let executable = std::env::current_exe().context("finding the program's own file")?;
            Ok(ExitCode::from(Box::pin(bench::run(*args, executable, &mut std::io::stdout())).await?))
        }
        Some(Command::Chaos(args)) => {
            let executable = std::env::current_exe().context("finding the program's own file")?;
            Ok(ExitCode::from(Box::pin(chaos::run(*args, executable, &mut std::io::stdout())).await?))
        }
        Some(Command::BenchCeiling(_)) => {
            commands::ceiling::run().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
