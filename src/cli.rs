//! The command line.

use std::num::NonZeroUsize;
use std::thread;

use clap::{Args, Parser, Subcommand};

use crate::bench::BenchArgs;

const BENCH_EXAMPLES: &str = "\
Examples:
  holdfast bench                                  one run of 100,000 orders, closed loop over 64 connections
  holdfast bench --ceiling --hot-vs-spread        the figures of docs/performance.md
  holdfast bench --rate 5000 --seconds 30         answer times at 5,000 orders a second
  holdfast bench --lines 3 --products 1000        larger orders
  holdfast bench --orders-url http://127.0.0.1:3004 --products-url http://127.0.0.1:3001
                                                  a running system; its catalogue gets \"Bench product\"s
  holdfast bench --ceiling --json > bench.json    for programs

Ends with 0 if every order was accepted and decided, with 1 if not, with 130 after Ctrl-C (and prints what there is).";

/// Order and inventory management that never oversells and never loses an order.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure how many orders a second are accepted and decided, and how long each takes.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Box<BenchArgs>),
    /// The bare server that `bench --ceiling` compares with.
    #[command(hide = true)]
    BenchCeiling(RuntimeArgs),
}

/// How the process runs.
#[derive(Args, Clone, Debug)]
pub struct RuntimeArgs {
    /// Threads that run requests [default: one per core].
    #[arg(long = "worker-threads", env = "WORKER_THREADS", value_name = "COUNT", help_heading = "Process", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
}

impl RuntimeArgs {
    /// How many threads run requests: as many as there are cores, if not configured.
    pub fn worker_threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1024 => Ok(count),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

impl Command {
    /// The configuration of the process that runs it.
    pub fn runtime(&self) -> &RuntimeArgs {
        match self {
            Self::Bench(args) => &args.runtime,
            Self::BenchCeiling(runtime) => runtime,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn threads_are_bounded() {
        for (text, good) in
            [("1", true), ("64", true), ("0", false), ("1025", false), ("-1", false), ("x", false)]
        {
            assert_eq!(threads(text).is_ok(), good, "{text}");
        }
        assert!(RuntimeArgs { threads: None }.worker_threads() >= 1);
    }
}
