//! `holdfast bench`: how many orders a second, and how long each takes.
//!
//! Orders are those of the quick start. Load is a closed loop (each connection sends its next order when the last is
//! answered) or an open one (orders are due at a fixed rate, and time counts from then). What is compared is measured
//! in turns within one run, because a machine is never as fast today as it was yesterday.

mod args;
mod decided;
mod latency;
mod load;
mod measure;
mod pacer;
mod process;
mod report;
#[cfg(test)]
mod report_tests;
mod stages;
mod table;
mod target;
mod workload;

use std::io::Write;
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::interrupt::{INTERRUPTED, or_interrupted};
use args::Subject;
pub use args::{BenchArgs, Only};
use measure::Measurement;
use report::{Machine, Report, Settings};
use target::{Cluster, Launcher};

/// Runs the bench and writes its report to `out`. `executable` is `holdfast` itself, for the systems that are started.
///
/// Gives the process's exit code: 0; 1 if an order was not accepted or not decided; 130 after Ctrl-C or SIGTERM. The first of these ends the
/// run and reports what there is, the second gives up. Systems that were started are gone in any case.
///
/// # Errors
/// If a system does not start or cannot be reached, or `out` cannot be written to.
pub async fn run(args: BenchArgs, executable: PathBuf, out: &mut (dyn Write + Send)) -> anyhow::Result<u8> {
    args.check()?;
    if args.stages {
        return Box::pin(run_stages(&args, executable, out)).await;
    }
    let stop = CancellationToken::new();
    let measuring = Box::pin(measure_all(&args, executable, &stop));
    let Some(report) = or_interrupted(&stop, measuring).await? else { return Ok(INTERRUPTED) };
    let report = report?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", table::render(&report))?;
    }
    out.flush()?;
    Ok(match (report.problems.is_empty(), report.interrupted) {
        (_, true) => INTERRUPTED,
        (false, _) => 1,
        (true, _) => 0,
    })
}

async fn run_stages(
    args: &BenchArgs,
    executable: PathBuf,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<u8> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let launcher = launcher(args, executable);
    let found = tokio::select! {
        found = Box::pin(stages::run(args, &launcher, &stop)) => found?,
        _ = interrupt.recv() => return Ok(INTERRUPTED),
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &found)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", table::render_stages(&found))?;
    }
    out.flush()?;
    Ok(0)
}

fn launcher(args: &BenchArgs, executable: PathBuf) -> Launcher {
    Launcher {
        executable,
        folder: args.dir.clone(),
        variables: args.variables.clone(),
        cluster: args.kafka.clone().map(|kafka| Cluster { kafka, mongodb: args.mongodb.clone() }),
        worker_threads: args.runtime.worker_threads(),
    }
}

async fn measure_all(
    args: &BenchArgs,
    executable: PathBuf,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let launcher = launcher(args, executable);
    let machine = machine(args, &launcher)?;
    let mut measurements: Vec<Measurement> = Vec::new();
    'rounds: for round in 1..=args.rounds() {
        let mut subjects = args.subjects();
        if args.cost_of.is_some() && round % 2 == 0 {
            // What grows slower while it is measured must not always be the same one.
            subjects.reverse();
        }
        for subject in subjects {
            if stop.is_cancelled() {
                break 'rounds;
            }
            let measuring = Box::pin(measure::measure(args, &launcher, subject, round, stop));
            let measurement = measuring.await?;
            if measurement.outcome.accepted > 0 || !stop.is_cancelled() {
                measurements.push(measurement);
            }
        }
    }
    Ok(Report::new(Settings::new(args), machine, &measurements, stop.is_cancelled()))
}

fn machine(args: &BenchArgs, launcher: &Launcher) -> anyhow::Result<Machine> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if args.orders_url.is_some() || args.subjects() == [Subject::Ceiling] {
        return Ok(Machine { cores, ..Machine::default() });
    }
    let folder = launcher.temporary_folder()?;
    let flush = process::flush_time(folder.path()).context("flushing a file")?;
    Ok(Machine {
        cores,
        file_system: process::file_system(folder.path()),
        flush_micros: u64::try_from(flush.as_micros()).ok(),
    })
}
