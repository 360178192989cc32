//! `holdfast sim`: the shipped services in a simulated world, from one seed.

use std::fmt;
use std::io::Write;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_sim::plan::Plan;
use holdfast_sim::{Found, Search, Violation, attempt, minimise};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::RuntimeArgs;
use crate::interrupt::{INTERRUPTED, or_interrupted};
use crate::progress::counting;

/// Plans that are tried to make a failing one shorter.
const BUDGET: usize = 600;
/// Lines shown of what happened before something broke.
const SHOWN: usize = 25;

/// Arguments of `holdfast sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
    /// One seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,

    /// Seeds from … to, both included.
    #[arg(long, value_name = "A..B", default_value = "1..200")]
    pub seeds: Seeds,

    /// Steps of each seed's plan: operations and faults.
    #[arg(long, value_name = "M", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub steps: u64,

    /// Print everything that happens (with --seed).
    #[arg(long, requires = "seed")]
    pub trace: bool,

    /// Threads; each runs a seed of its own.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// A range of seeds, `1..1000`, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(RangeInclusive<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once("..").map(|(from, to)| (from, to.trim_start_matches('=')));
        let (from, to) = ends.ok_or("must be two numbers, as in 1..1000")?;
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| format!("{text:?} is no seed"));
        let (from, to) = (number(from)?, number(to)?);
        if from > to { Err(format!("{from} is after {to}")) } else { Ok(Self(from..=to)) }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start(), self.0.end())
    }
}

/// Runs the seeds and says on `out` what came of them: exit code 0 if nothing broke, 1 with a shortened history if
/// something did, 130 after Ctrl-C.
///
/// # Errors
/// If `out` cannot be written.
pub async fn simulate(args: SimArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let work = {
        let (args, stop) = (args.clone(), stop.clone());
        // A run has a runtime of its own, which cannot be started on a thread of this one.
        tokio::task::spawn_blocking(move || search(&args, &stop))
    };
    let Some(report) = or_interrupted(&stop, work).await? else { return Ok(ExitCode::from(INTERRUPTED)) };
    tell(&args, report.context("the simulation panicked")?, stop.is_cancelled(), out)
}

fn tell(
    args: &SimArgs,
    report: Report,
    interrupted: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let Report { found, shortest, last, lines, hash, took } = report;
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    totals(args, &found, took, interrupted, out)?;
    if let Some(hash) = hash {
        writeln!(out, "  {:<32} {hash:016x}", "trace hash")?;
    }
    let failed = match (&found.failure, shortest) {
        (Some((plan, violation)), Some((shortest, found))) => {
            failure(plan, violation, &shortest, &found, &last, out)?;
            true
        }
        _ => false,
    };
    out.flush()?;
    Ok(match (failed, interrupted) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(INTERRUPTED),
        (false, false) => ExitCode::SUCCESS,
    })
}

struct Report {
    found: Found,
    /// The failing plan, made shorter, and what breaks in it.
    shortest: Option<(Plan, Violation)>,
    /// What happened last in it.
    last: Vec<String>,
    lines: Vec<String>,
    /// Of a single seed.
    hash: Option<u64>,
    took: Duration,
}

fn search(args: &SimArgs, stop: &CancellationToken) -> Report {
    let seeds = args.seed.map_or_else(|| args.seeds.0.clone(), |seed| seed..=seed);
    let bar = counting((seeds.end() - seeds.start()).saturating_add(1), "seeds");
    let begun = Instant::now();
    let search = Search { seeds, steps: args.steps, threads: args.runtime.worker_threads() };
    let found = search.run(stop, &|| bar.inc(1));
    bar.finish_and_clear();
    let took = begun.elapsed();
    let single = args.seed.map(|seed| attempt(&Plan::of(seed, args.steps), args.trace));
    let shortest = found.failure.as_ref().map(|(plan, violation)| {
        let bar = counting(plan.steps.len() as u64, "steps left out");
        let total = plan.steps.len();
        let shortest =
            minimise(plan, violation, BUDGET, stop, |left| bar.set_position((total - left) as u64));
        bar.finish_and_clear();
        shortest
    });
    let last = shortest.as_ref().map(|(plan, _)| attempt(plan, true).lines).unwrap_or_default();
    let last = last[last.len().saturating_sub(SHOWN)..].to_vec();
    let (lines, hash) = single.map_or((Vec::new(), None), |outcome| (outcome.lines, Some(outcome.hash)));
    Report { found, shortest, last, lines, hash, took }
}

fn totals(
    args: &SimArgs,
    found: &Found,
    took: Duration,
    interrupted: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let seeds = args.seed.map_or_else(|| format!("seeds {}", args.seeds), |seed| format!("seed {seed}"));
    writeln!(out, "Simulated {seeds} with {} steps each, in {:.1} s", args.steps, took.as_secs_f64())?;
    let mut row = |name: &str, count: u64| writeln!(out, "  {name:<32} {count:>12}");
    let counts = &found.counts;
    row("seeds run", found.runs)?;
    row("orders placed", counts.orders)?;
    row("events traced", counts.events)?;
    row("minutes simulated", counts.millis / 60_000)?;
    for (name, count) in &counts.faults {
        row(name, *count)?;
    }
    if found.failure.is_none() {
        writeln!(out, "{}", if interrupted { "Nothing broke so far." } else { "Nothing broke." })?;
    }
    Ok(())
}

fn failure(
    plan: &Plan,
    violation: &Violation,
    shortest: &Plan,
    found: &Violation,
    last: &[String],
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    writeln!(out, "\nBROKEN  {}\n  {violation}", plan.title())?;
    writeln!(out, "\nThe shortest history that was found ({} steps): {found}", shortest.steps.len())?;
    for step in &shortest.steps {
        writeln!(out, "  {:>5}  after {:>5} ms  {:?}", step.number, step.after, step.what)?;
    }
    writeln!(out, "\nWhat happened last in it:")?;
    for line in last {
        writeln!(out, "  {line}")?;
    }
    let steps = plan.steps.len();
    writeln!(out, "\nAll of it:  holdfast sim --seed {} --steps {steps} --trace", plan.seed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SimArgs {
        let runtime = RuntimeArgs { threads: None };
        SimArgs { seed: None, seeds: Seeds(1..=9), steps: 10, trace: false, runtime }
    }

    #[tokio::test]
    async fn what_broke_is_told_with_its_history() {
        let plan = Plan::of(4, 10);
        let violation = Violation { invariant: 5, what: "made up".to_owned() };
        let found = Found { failure: Some((plan.clone(), violation.clone())), ..Found::default() };
        let last = attempt_in_a_thread(&plan);
        let shortest = Some((plan, violation));
        let report = Report { found, shortest, last, lines: Vec::new(), hash: None, took: Duration::ZERO };
        let mut out = Vec::new();
        let code = tell(&args(), report, false, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert_eq!(code, ExitCode::FAILURE);
        for part in [
            "BROKEN  seed 4",
            "invariant 5: made up",
            "(10 steps)",
            "the end:",
            "sim --seed 4 --steps 10 --trace",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    /// A run has a runtime of its own.
    fn attempt_in_a_thread(plan: &Plan) -> Vec<String> {
        std::thread::scope(|scope| scope.spawn(|| attempt(plan, true).lines).join().unwrap())
    }
}
