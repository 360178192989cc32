//! One measurement: start, warm up, send, wait for the decisions, look at the process, stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::{BenchArgs, Feature, Subject};
use super::decided::{Counter, Followed, Followers};
use super::load::{self, Load, Outcome};
use super::process::{self, Memory};
use super::target::{Launcher, System};
use super::workload::{self, Workload};
use crate::client::Client;

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) subject: Subject,
    pub(crate) outcome: Outcome,
    /// For a subject that decides.
    pub(crate) decided: Option<Decided>,
    /// Of a system that was started here, after the run.
    pub(crate) memory: Option<Memory>,
    /// Processor time that the system took from the first order on, until the last was answered and decided.
    pub(crate) server_time: Option<Duration>,
    /// Processor time that the bench itself took meanwhile.
    pub(crate) client_time: Option<Duration>,
}

/// The decisions.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) orders: u64,
    /// From the first order on, until the last was seen to be decided.
    pub(crate) took: Duration,
    pub(crate) followed: Followed,
}

impl Measurement {
    /// Orders per second: decided if the subject decides, else accepted.
    pub(crate) fn per_second(&self) -> f64 {
        self.decided_per_second().unwrap_or_else(|| self.accepted_per_second())
    }

    /// Processor time of the system for one order, in microseconds.
    pub(crate) fn server_micros_per_order(&self) -> Option<f64> {
        let orders = self.outcome.accepted;
        (orders > 0).then_some(self.server_time?.as_secs_f64() * 1e6 / orders as f64)
    }

    /// Processor time of the bench itself for one order, in microseconds.
    pub(crate) fn client_micros_per_order(&self) -> Option<f64> {
        let orders = self.outcome.accepted;
        (orders > 0).then_some(self.client_time?.as_secs_f64() * 1e6 / orders as f64)
    }

    /// Answers 201 per second of the time until the last answer.
    pub(crate) fn accepted_per_second(&self) -> f64 {
        rate(self.outcome.accepted, self.outcome.took)
    }

    /// Decided orders per second of the time until the last decision.
    pub(crate) fn decided_per_second(&self) -> Option<f64> {
        self.decided.as_ref().map(|decided| rate(decided.orders, decided.took))
    }
}

fn rate(count: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { count as f64 / took.as_secs_f64() }
}

/// Measures `subject` once.
///
/// # Errors
/// If the system does not start, cannot be reached, or refuses to make the products.
pub(crate) async fn measure(
    args: &BenchArgs,
    launcher: &Launcher,
    subject: Subject,
    round: u32,
    stop: &CancellationToken,
) -> anyhow::Result<Measurement> {
    let bar = progress_bar(args, subject, round);
    bar.set_message("starting");
    let system = start(args, launcher, subject).await?;
    let result = Box::pin(run(args, &system, subject, round, stop, &bar)).await;
    system.stop().await;
    bar.finish_and_clear();
    result.with_context(|| format!("measuring {}", subject.name()))
}

async fn start(args: &BenchArgs, launcher: &Launcher, subject: Subject) -> anyhow::Result<System> {
    match (subject, &args.orders_url, &args.products_url) {
        (Subject::Ceiling, ..) => launcher.ceiling().await,
        (_, Some(orders), Some(products)) => {
            Ok(System::running(orders.by(&args.caller), products.by(&args.caller)))
        }
        (Subject::Accept, ..) => launcher.system(&["--pause-consumers"]).await,
        (Subject::Unusual { feature: Feature::Audit, .. }, ..) => {
            launcher.system(&["--audit-every-seconds", "0"]).await
        }
        (Subject::Unusual { feature: Feature::Tokens, .. }, ..) => launcher.guarded_system().await,
        (Subject::Full { .. }, ..) => launcher.system(&[]).await,
    }
}

async fn run(
    args: &BenchArgs,
    system: &System,
    subject: Subject,
    round: u32,
    stop: &CancellationToken,
    bar: &ProgressBar,
) -> anyhow::Result<Measurement> {
    let count = if subject.is_hot() { 1 } else { args.products as usize };
    let products = match &system.products {
        Some(products) => {
            bar.set_message("making products");
            workload::prepare(&mut Client::connect(products).await?, count, args.orders).await?
        }
        None => workload::made_up(count),
    };
    let workload = Arc::new(Workload::new(&products, args.lines)?);
    let mut counter = match subject {
        Subject::Full { .. } | Subject::Unusual { .. } => Some(Counter::connect(&system.orders).await?),
        Subject::Ceiling | Subject::Accept => None,
    };
    let mut clients = Vec::new();
    for _ in 0..args.connections {
        clients.push(Client::connect(&system.orders).await?);
    }
    let mut load = Load {
        orders: args.orders,
        time: Duration::from_secs(args.warm_up.into()),
        arrivals: args.arrivals(),
        workload,
        sampler: None,
    };

    if args.warm_up > 0 {
        bar.set_message("warming up");
        let before = read(&mut counter).await?;
        let (back, outcome) = load::run(clients, load.clone(), stop, bar).await;
        clients = back;
        if let Some(counter) = &mut counter {
            let deadline = Instant::now() + Duration::from_secs(args.decide_within.into());
            counter.wait(before, outcome.accepted, deadline, stop, bar).await?;
        }
        bar.reset();
    }

    bar.set_message("");
    load.time = args.time();
    let before = read(&mut counter).await?;
    let followers = match &counter {
        Some(_) => {
            let (followers, sampler) = Followers::start(&system.orders).await?;
            load.sampler = Some(sampler);
            Some(followers)
        }
        None => None,
    };
    let server_before = process::processor_time_of(&system.pids());
    let own = [std::process::id()];
    let client_before = process::processor_time_of(&own);
    let (_clients, outcome) =
        with_decisions(&mut counter, before, load::run(clients, load, stop, bar), bar).await;
    let decided = match (&mut counter, followers) {
        (Some(counter), Some(followers)) => {
            let deadline = Instant::now() + Duration::from_secs(args.decide_within.into());
            let (orders, last) = counter.wait(before, outcome.accepted, deadline, stop, bar).await?;
            let followed = followers.finish(deadline).await?;
            // The last decision is never before the last order was answered as far as a rate is concerned.
            let took = last.saturating_duration_since(outcome.started).max(outcome.took);
            Some(Decided { orders: orders.min(outcome.accepted), took, followed })
        }
        _ => None,
    };
    let since = |before: Option<Duration>, pids: &[u32]| {
        Some(process::processor_time_of(pids)?.saturating_sub(before?))
    };
    Ok(Measurement {
        round,
        subject,
        outcome,
        decided,
        memory: process::memory_of(&system.pids()),
        server_time: since(server_before, &system.pids()),
        client_time: since(client_before, &own),
    })
}

async fn read(counter: &mut Option<Counter>) -> anyhow::Result<u64> {
    match counter {
        Some(counter) => counter.read().await,
        None => Ok(0),
    }
}

/// Shows once a second how many orders were decided, while `sending` goes on.
async fn with_decisions<T>(
    counter: &mut Option<Counter>,
    before: u64,
    sending: impl Future<Output = T>,
    bar: &ProgressBar,
) -> T {
    let mut sending = std::pin::pin!(sending);
    loop {
        let shown = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Only for show: what goes wrong here goes wrong again when it matters.
            if let Some(counter) = counter
                && let Ok(decided) = counter.read().await
            {
                bar.set_message(format!("{} decided", decided.saturating_sub(before)));
            }
        };
        tokio::select! {
            biased;
            done = &mut sending => return done,
            () = shown => {}
        }
    }
}

/// On standard error, and only if that is a terminal.
fn progress_bar(args: &BenchArgs, subject: Subject, round: u32) -> ProgressBar {
    let bar = ProgressBar::new(args.orders);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix:<32} {bar:30} {pos:>7}/{len} {per_sec:>14} {msg}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(format!("{}/{} {}", round, args.rounds(), subject.label()));
    bar
}
