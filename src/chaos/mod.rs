//! `holdfast chaos`: proves on real processes that nothing is lost, repeated or oversold.
//!
//! It starts the system ([`system`]) behind proxies that delay and cut connections ([`proxy`]), lets clients change things
//! ([`customer`]) and follow live ([`live`]), and kills, stops and restarts processes at random from a seed ([`schedule`],
//! [`conductor`]). In the end it compares what clients were told ([`told`]) with what is there ([`world`], [`verdict`]), and
//! has the books audited.

mod args;
mod conductor;
mod counter;
mod customer;
mod finding;
mod http;
mod live;
mod proxy;
mod report;
mod run;
mod schedule;
mod shop;
mod story;
mod system;
#[cfg(test)]
mod tests;
mod told;
mod verdict;
mod view;
mod world;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::interrupt::{INTERRUPTED, or_interrupted};
pub use args::ChaosArgs;
pub use proxy::Lie;

/// Runs it and writes its report to `out`. `executable` is `holdfast` itself, for the processes that are started.
///
/// Gives the process's exit code: 0 if nothing was found; 1 if something was; 130 after Ctrl-C or SIGTERM. The first of these
/// ends the faults, and what there is is still judged and reported; the second gives up. The processes are gone in any case.
///
/// # Errors
/// If the system does not start, its folder cannot be made, or `out` cannot be written to.
pub async fn run(args: ChaosArgs, executable: PathBuf, out: &mut (dyn Write + Send)) -> anyhow::Result<u8> {
    let seed = args.seed.unwrap_or_else(any_seed);
    if !args.json {
        writeln!(out, "seed {seed}, {}", args.ground().name())?;
        out.flush()?;
    }
    let stop = CancellationToken::new();
    let running = Box::pin(run::run(&args, seed, executable, &stop));
    let Some(report) = or_interrupted(&stop, running).await? else { return Ok(INTERRUPTED) };
    let report = report?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "\n{report}")?;
    }
    out.flush()?;
    Ok(match (report.interrupted, report.clean) {
        (true, _) => INTERRUPTED,
        (false, false) => 1,
        (false, true) => 0,
    })
}

/// Short enough to be typed. The standard library draws the keys of its hash tables anew in every process.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}
