//! One run, from the first process to the verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use holdfast_sim::Dice;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::args::{ChaosArgs, Until};
use super::conductor::{Conductor, Faults};
use super::counter::{self, Seen};
use super::customer::{Common, Customer};
use super::finding::{Finding, Kind};
use super::http::Http;
use super::live::Follower;
use super::report::{ClientCounts, FaultCounts, OrderCounts, Report};
use super::schedule::Schedule;
use super::shop::Shop;
use super::system::{Plan, System};
use super::told::Told;
use super::verdict::judge;
use super::world::{Reader, World};

/// Between two looks at what live clients know.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everybody who is busy while the faults happen.
struct Load {
    customers: JoinSet<()>,
    counts: JoinSet<()>,
    followers: Vec<Follower>,
    seen: Arc<Mutex<Seen>>,
    told: Arc<Told>,
    shop: Shop,
    /// No new requests.
    stop: CancellationToken,
    /// No more patience with what is not answered.
    give_up: CancellationToken,
}

/// Runs it; `stop` ends the faults early.
///
/// # Errors
/// If the system does not start, or its folder cannot be made.
pub(super) async fn run(
    args: &ChaosArgs,
    seed: u64,
    executable: PathBuf,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let folder = folder(args)?;
    let bar = progress_bar(args.until());
    bar.set_message("starting");
    let plan = Plan {
        executable,
        folder: folder.path().to_owned(),
        ground: args.ground(),
        cut_mongodb: args.cut_mongodb,
        name: format!("chaos-{}-{seed}", std::process::id()),
        worker_threads: args.runtime.worker_threads(),
    };
    let mut dice = Dice::seeded(seed);
    let mut schedule_dice = dice.split();
    let mut system = System::start(plan, &mut dice, args.plant).await?;
    let mut load = Load::start(args, &system, &mut dice, folder.path()).await?;

    let schedule =
        Schedule::new(schedule_dice.split(), system.count(), system.proxies().len(), args.stop_pids.len());
    system.weather(true);
    load.told.begin();
    let started = Instant::now();
    let mut conductor = Conductor {
        system: &mut system,
        told: &load.told,
        servers: &args.stop_pids,
        until: args.until(),
        stop,
        bar: &bar,
        faults: Faults::default(),
        weather: JoinSet::new(),
    };
    let conducted = conductor.conduct(schedule).await;
    let faults = conductor.faults;
    // Nothing changes the weather after this.
    drop(conductor);
    let seconds = started.elapsed().as_secs_f64();
    system.weather(false);
    let silence = load.told.longest_silence();

    bar.set_message("coming to rest");
    let mut findings = Vec::new();
    let world = match conducted {
        Ok(()) => load.rest(&system, Duration::from_secs(args.settle.into())).await,
        Err(error) => Err(error),
    };
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        seed,
        system: args.ground().name(),
        interrupted: stop.is_cancelled(),
        ..Report::default()
    };
    match world {
        Ok(world) => {
            bar.set_message("auditing");
            findings.extend(system.stop().await);
            match system.audit().await {
                Ok(None) => {}
                Ok(Some(said)) => findings.push(Kind::Audit.finding(said)),
                Err(error) => findings.push(Kind::Audit.finding(format!("{error:#}"))),
            }
            findings.extend(load.end(&world, &mut report));
        }
        // A system that cannot be looked at is not a clean one.
        Err(error) => {
            findings.push(Kind::Process.finding(format!("{error:#}")));
            findings.extend(load.end(&World::default(), &mut report).into_iter().filter(|f| at_once(f.kind)));
        }
    }
    report.clients.longest_silence_millis = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
    report.faults = count(&system, faults, seconds);
    report.judge(findings);
    if !report.clean {
        report.logs = system.last_words();
    }
    if args.keep || !report.clean {
        report.folder = Some(folder.keep());
    }
    bar.finish_and_clear();
    Ok(report)
}

/// What was seen while it ran, whatever is there in the end.
fn at_once(kind: Kind) -> bool {
    !matches!(kind, Kind::AcknowledgedLost | Kind::Unbalanced | Kind::LiveMissed)
}

impl Load {
    async fn start(
        args: &ChaosArgs,
        system: &System,
        dice: &mut Dice,
        folder: &std::path::Path,
    ) -> anyhow::Result<Self> {
        let (orders, products) = system.addrs();
        let http = || Http::new(orders, products);
        let shop = Shop::open(&mut http()).await?;
        let told = Arc::new(Told::new(&folder.join("told.jsonl")).context("making told.jsonl")?);
        let mut followers = Vec::new();
        for _ in 0..args.watchers {
            followers.push(Follower::start(orders).await.context("a live client")?);
        }
        let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
        let seen = Arc::<Mutex<Seen>>::default();
        let mut counts = JoinSet::new();
        counts.spawn(counter::count(http(), Arc::clone(&seen), stop.clone()));
        let common = Common {
            shop: shop.clone(),
            told: Arc::clone(&told),
            think: args.think.into(),
            stop: stop.clone(),
            give_up: give_up.clone(),
        };
        let mut customers = JoinSet::new();
        for number in 0..args.connections {
            let customer = Customer::new(format!("c{number}"), dice.split(), http(), common.clone());
            customers.spawn(customer.run());
        }
        Ok(Self { customers, counts, followers, seen, told, shop, stop, give_up })
    }

    /// Lets everything come to rest: what was not answered is answered, all orders are decided, and live clients know all
    /// of it. What does not within `limit` is found later.
    async fn rest(&mut self, system: &System, limit: Duration) -> anyhow::Result<World> {
        let deadline = Instant::now() + limit;
        self.stop.cancel();
        let all_answered = async { while self.customers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, all_answered).await.is_err() {
            self.give_up.cancel();
            while self.customers.join_next().await.is_some() {}
        }
        while self.counts.join_next().await.is_some() {}
        let (orders, products) = system.addrs();
        let mut http = Http::new(orders, products);
        // The deadline is for what has to happen by itself; reading it may take as long again.
        let give_up = CancellationToken::new();
        let mut reader = Reader { http: &mut http, deadline, give_up: &give_up };
        let world = reader.read(&self.shop).await.context("reading what is there")?;
        while Instant::now() < deadline && !self.followers.iter().all(|follower| knows_all(follower, &world))
        {
            sleep(LOOK_EVERY).await;
        }
        Ok(world)
    }

    /// Judges what clients were told, and counts.
    fn end(self, world: &World, report: &mut Report) -> Vec<Finding> {
        self.told.flush();
        let told = self.told.take();
        let mut found = judge(&told, world, &self.shop.products);
        let deleted = |id| told.orders.get(&id).is_some_and(|known| known.deleted);
        let counts = told.counts;
        report.clients = ClientCounts {
            requests: counts.requests,
            promised: counts.promised,
            refused: counts.refused,
            come_again: counts.come_again,
            unanswered: counts.unanswered,
            unanswered_that_took_effect_once: counts.had_taken_effect,
            same_answer_again: counts.same_answer,
            live_clients: self.followers.len(),
            ..ClientCounts::default()
        };
        for follower in &self.followers {
            let mut heard = follower.heard();
            report.clients.live_connections += heard.connections;
            report.clients.live_messages += heard.story.messages;
            let story = std::mem::take(&mut heard.story);
            found.extend(story.end(&world.orders, &world.products, deleted));
        }
        let mut seen = self.seen.lock();
        report.clients.stock_looks = seen.looks;
        found.append(&mut seen.findings);
        let hidden = told.orders.values().filter(|known| known.deleted).count();
        report.orders = OrderCounts::of(world.orders.values(), hidden);
        found.extend(told.findings);
        found
    }
}

fn knows_all(follower: &Follower, world: &World) -> bool {
    let heard = follower.heard();
    world.orders.values().all(|order| heard.story.knows(order))
        && world.products.iter().all(|product| heard.story.knows_product(product))
}

fn count(system: &System, faults: Faults, seconds: f64) -> FaultCounts {
    let mut counts = FaultCounts {
        seconds: (seconds * 10.0).round() / 10.0,
        kills: faults.kills,
        restarts: faults.restarts,
        stops: faults.stops,
        server_stops: faults.server_stops,
        slow_stretches: faults.slow,
        hung_stretches: faults.hung,
        ..FaultCounts::default()
    };
    for proxy in system.proxies() {
        let of = proxy.counts();
        counts.connections += of.connections;
        counts.connections_cut += of.cut;
        counts.pieces_delayed += of.delayed;
        counts.lies += of.lies;
    }
    counts
}

fn folder(args: &ChaosArgs) -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("holdfast-chaos-");
    let made = match &args.dir {
        Some(folder) => builder.tempdir_in(folder),
        None => builder.tempdir(),
    };
    made.context("making the run's folder")
}

/// On standard error, and only if that is a terminal.
fn progress_bar(until: Until) -> ProgressBar {
    let length = match until {
        Until { kills: Some(kills), .. } => kills,
        Until { time, .. } => time.map_or(0, |time| time.as_secs()),
    };
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>5}/{len} {elapsed:>4} {msg}") {
        bar.set_style(style);
    }
    bar
}
