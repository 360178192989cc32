//! Sends orders: closed loop or at a fixed rate, bounded in count and time.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::{Method, StatusCode};
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::Arrivals;
use super::decided::Sampler;
use super::latency::Latencies;
use super::pacer::{Pacer, Schedule};
use super::workload::Workload;
use crate::client::{Client, ClientError};

/// How long answers may take once nothing more is sent.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// A connection that cannot be made so many times in a row gives up.
const ATTEMPTS: u32 = 10;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Ends after so many orders.
    pub(crate) orders: u64,
    /// Ends after so long.
    pub(crate) time: Duration,
    /// When orders are sent.
    pub(crate) arrivals: Arrivals,
    /// The orders.
    pub(crate) workload: Arc<Workload>,
    /// Who is told about some of the orders.
    pub(crate) sampler: Option<Sampler>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Answers 201.
    pub(crate) accepted: u64,
    /// Other answers, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// No answer: the connection broke, or 10 s after the end there was still none.
    pub(crate) unanswered: u64,
    /// At a fixed rate: orders that were due and could not even be sent. Their wait counts as latency.
    pub(crate) unsent: u64,
    /// The first answer that was not 201, or the first error, in words.
    pub(crate) problem: Option<String>,
    /// When the first order was due.
    pub(crate) started: Instant,
    /// From then to the last answer.
    pub(crate) took: Duration,
    /// From sending to the whole answer.
    pub(crate) answer: Latencies,
    /// Corrected for coordinated omission. At a fixed rate: from when the order was due. In a closed loop: see
    /// [`Latencies::corrected_for`], with each connection's mean time per order as interval.
    pub(crate) corrected: Latencies,
}

struct Shared {
    load: Load,
    schedule: Option<Schedule>,
    until: Instant,
    next: AtomicU64,
    halted: AtomicBool,
    give_up: CancellationToken,
}

/// One connection's share of the outcome.
struct Tally {
    accepted: u64,
    refused: BTreeMap<u16, u64>,
    unanswered: u64,
    problem: Option<String>,
    ended: Instant,
    answer: Latencies,
    from_due: Latencies,
}

/// Sends `load` over `clients`, until it is done or `stop` is cancelled, and gives the clients back.
pub(crate) async fn run(
    clients: Vec<Client>,
    load: Load,
    stop: &CancellationToken,
    bar: &ProgressBar,
) -> (Vec<Client>, Outcome) {
    let connections = u32::try_from(clients.len()).unwrap_or(u32::MAX);
    let started = Instant::now();
    let until = started + load.time;
    let (schedule, pacer) = match load.arrivals {
        Arrivals::Closed => (None, None),
        Arrivals::Open { per_second } => {
            let schedule = Schedule::new(started, per_second);
            let pacer = Pacer::start(schedule.clone(), load.orders, until);
            (Some(schedule), Some(pacer))
        }
    };
    let shared = Arc::new(Shared {
        load,
        schedule,
        until,
        next: AtomicU64::new(0),
        halted: AtomicBool::new(false),
        give_up: CancellationToken::new(),
    });
    let mut workers = JoinSet::new();
    for client in clients {
        workers.spawn(work(Arc::clone(&shared), client, started));
    }

    let mut clients = Vec::new();
    let mut tallies = Vec::new();
    let mut give_up_at = until + LAST_ANSWERS;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            worker = workers.join_next() => match worker {
                Some(Ok((client, tally))) => {
                    clients.push(client);
                    tallies.push(tally);
                }
                // A worker does not panic; were it to, its tally is missing and the orders count as unanswered.
                Some(Err(_)) => {}
                None => break,
            },
            () = stop.cancelled(), if !shared.halted.load(Ordering::Relaxed) => {
                shared.halted.store(true, Ordering::Relaxed);
                if let Some(pacer) = &pacer {
                    pacer.stop();
                }
                give_up_at = give_up_at.min(Instant::now() + LAST_ANSWERS);
            }
            now = ticks.tick() => {
                bar.set_position(shared.next.load(Ordering::Relaxed).min(shared.load.orders));
                if now > give_up_at {
                    shared.give_up.cancel();
                }
            }
        }
    }
    let due = pacer.map(Pacer::finish);
    let sent = shared.next.load(Ordering::Relaxed).min(shared.load.orders);
    bar.set_position(sent);
    (clients, gather(tallies, &shared, started, due, sent, connections))
}

async fn work(shared: Arc<Shared>, mut client: Client, started: Instant) -> (Client, Tally) {
    let mut tally = Tally::new(started);
    let mut give_up = pin!(shared.give_up.cancelled());
    let mut failed_in_a_row = 0;
    loop {
        if let Some(schedule) = &shared.schedule {
            tokio::select! {
                biased;
                go = schedule.next_is_due() => if !go { break },
                () = &mut give_up => break,
            }
        }
        let sent = Instant::now();
        if shared.halted.load(Ordering::Relaxed) || sent >= shared.until {
            break;
        }
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.load.orders {
            break;
        }
        let due = shared.schedule.as_ref().map_or(sent, |schedule| schedule.due(number));
        let workload = &shared.load.workload;
        let answer = tokio::select! {
            biased;
            answer = client.exchange(Method::POST, workload.path(), workload.body(number)) => answer,
            () = &mut give_up => {
                tally.no_answer("no answer within 10 s after the last order was sent".to_owned());
                break;
            }
        };
        let ended = Instant::now();
        tally.ended = ended;
        match answer {
            Ok(answer) => {
                failed_in_a_row = 0;
                tally.answer.record(ended - sent);
                tally.from_due.record(ended.saturating_duration_since(due));
                if answer.status == StatusCode::CREATED {
                    tally.accepted += 1;
                    if let Some(sampler) = &shared.load.sampler {
                        sampler.offer(number, due, &answer.body);
                    }
                } else {
                    tally.refused(answer.status, &answer.body);
                }
            }
            Err(error) => {
                failed_in_a_row += 1;
                let unreachable = matches!(error, ClientError::Connect { .. });
                tally.no_answer(format!("{:#}", anyhow::Error::from(error)));
                if failed_in_a_row == ATTEMPTS {
                    break;
                }
                if unreachable {
                    // Not to turn a system that is away into a busy loop.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    (client, tally)
}

impl Tally {
    fn new(started: Instant) -> Self {
        Self {
            accepted: 0,
            refused: BTreeMap::new(),
            unanswered: 0,
            problem: None,
            ended: started,
            answer: Latencies::new(),
            from_due: Latencies::new(),
        }
    }

    fn refused(&mut self, status: StatusCode, body: &[u8]) {
        *self.refused.entry(status.as_u16()).or_default() += 1;
        self.problem.get_or_insert_with(|| {
            let text: String = String::from_utf8_lossy(body).chars().take(300).collect();
            format!("{status}: {text}")
        });
    }

    fn no_answer(&mut self, why: String) {
        self.unanswered += 1;
        self.problem.get_or_insert(why);
    }
}

fn gather(
    tallies: Vec<Tally>,
    shared: &Shared,
    started: Instant,
    due: Option<u64>,
    sent: u64,
    connections: u32,
) -> Outcome {
    let ended = tallies.iter().map(|t| t.ended).max().unwrap_or(started);
    let mut outcome = Outcome {
        accepted: 0,
        refused: BTreeMap::new(),
        unanswered: 0,
        unsent: due.map_or(0, |due| due.saturating_sub(sent)),
        problem: None,
        started,
        took: ended - started,
        answer: Latencies::new(),
        corrected: Latencies::new(),
    };
    for tally in tallies {
        outcome.accepted += tally.accepted;
        for (status, count) in tally.refused {
            *outcome.refused.entry(status).or_default() += count;
        }
        outcome.answer.merge(&tally.answer);
        outcome.corrected.merge(&tally.from_due);
        outcome.problem = outcome.problem.or(tally.problem);
    }
    let answered = outcome.accepted + outcome.refused.values().sum::<u64>();
    outcome.unanswered = sent.saturating_sub(answered);
    match &shared.schedule {
        Some(schedule) => {
            let end = ended.max(shared.until.min(Instant::now()));
            for number in sent..sent + outcome.unsent {
                outcome.corrected.record(end.saturating_duration_since(schedule.due(number)));
            }
        }
        None if answered > 0 => {
            let interval = outcome.took.as_secs_f64() * f64::from(connections) / answered as f64;
            outcome.corrected = outcome.answer.corrected_for(Duration::from_secs_f64(interval));
        }
        None => {}
    }
    outcome
}
