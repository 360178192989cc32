//! The program `holdfast`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use holdfast::cli::{Cli, Command};
use holdfast::{bench, commands};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let command = Cli::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(command.runtime().worker_threads())
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let code = runtime.block_on(run(command));
    // A read of standard input cannot be cut; the process does not wait for it.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Bench(args) => {
            let executable = std::env::current_exe().context("finding the program's own file")?;
            Ok(ExitCode::from(Box::pin(bench::run(*args, executable, &mut std::io::stdout())).await?))
        }
        Command::BenchCeiling(_) => {
            commands::ceiling::run().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
