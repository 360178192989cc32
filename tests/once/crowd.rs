//! Clients that send each call one to five times at once and hang up where they like, until each has its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::calls::{Addresses, Call};
use crate::support::{Dice, Holdfast, eventually};
use crate::wire::{Answer, Cut, send};

/// Keys that are in use at once.
const CLIENTS: usize = 12;

/// A call that was made before, and when it may be made again.
struct Again {
    call: Call,
    not_before: Instant,
}

#[derive(Default)]
struct State {
    fresh: VecDeque<Call>,
    again: VecDeque<Again>,
    /// The one answer of each key.
    answers: BTreeMap<String, Answer>,
    /// Calls that were made, each once or more.
    made: usize,
    finished: usize,
    told_to_wait: usize,
    replayed: usize,
    cut: usize,
}

pub(crate) struct Crowd {
    state: Mutex<State>,
    seed: u64,
}

impl Crowd {
    pub(crate) fn new(calls: &[Call], seed: u64) -> Self {
        Self { state: Mutex::new(State { fresh: calls.iter().cloned().collect(), ..State::default() }), seed }
    }

    /// Makes the calls until every key has its answer.
    pub(crate) fn finish(&self, system: &Holdfast) {
        self.with_clients(system.into(), |_| {});
    }

    /// Makes calls, and kills the process in the middle of them, when so many more were made.
    pub(crate) fn run_until_killed(&self, system: Holdfast, calls: usize) {
        let until = self.state.lock().unwrap().made + calls;
        self.with_clients((&system).into(), |stop| {
            eventually("enough calls", || {
                let state = self.state.lock().unwrap();
                let over = state.made >= until || state.fresh.is_empty() && state.again.is_empty();
                if over { Ok(()) } else { Err(format!("{} of {until}", state.made)) }
            });
            system.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }

    /// Runs the clients beside `meanwhile`, which may stop them.
    fn with_clients(&self, addresses: Addresses, meanwhile: impl FnOnce(&AtomicBool)) {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (stop, seed) = (&stop, self.seed.wrapping_add(client as u64));
                scope.spawn(move || {
                    let mut dice = Dice::seeded(seed);
                    while !stop.load(Ordering::Relaxed)
                        && let Some((call, first)) = self.next(&mut dice)
                    {
                        self.make(call, first, &addresses, &mut dice);
                    }
                });
            }
            meanwhile(&stop);
        });
        let state = self.state.lock().unwrap();
        println!(
            "{} keys have their answer, {} to go; {} answers were repeated, {} told to wait, {} attempts cut",
            state.finished,
            state.fresh.len() + state.again.len(),
            state.replayed,
            state.told_to_wait,
            state.cut
        );
    }

    /// The answer of every key.
    pub(crate) fn answers(&self) -> BTreeMap<String, Answer> {
        self.state.lock().unwrap().answers.clone()
    }

    /// The next call, and whether it is made for the first time.
    #[allow(clippy::disallowed_methods, reason = "a client that was told when to come again")]
    fn next(&self, dice: &mut Dice) -> Option<(Call, bool)> {
        let again = {
            let mut state = self.state.lock().unwrap();
            let due = state.again.front().is_some_and(|again| again.not_before <= Instant::now());
            if (!due || dice.roll(2) == 0)
                && let Some(call) = state.fresh.pop_front()
            {
                return Some((call, true));
            }
            state.again.pop_front()?
        };
        std::thread::sleep(again.not_before.saturating_duration_since(Instant::now()));
        Some((again.call, false))
    }

    /// Sends a call one to five times at once, or for the last time: then it wants to know. It is made again until it was
    /// answered when nothing else of it was on its way, so that every key has been sent when everything about it was over.
    #[allow(clippy::disallowed_methods, reason = "notes when to come again")]
    fn make(&self, call: Call, first: bool, addresses: &Addresses, dice: &mut Dice) {
        let (addr, request) = call.request(addresses);
        let times = if first { 1 + dice.roll(5) } else { 1 };
        let cut = |dice: &mut Dice| if first { Cut::anywhere(request.len(), dice) } else { Cut::Nowhere };
        let cuts: Vec<Cut> = (0..times).map(|_| cut(dice)).collect();
        let attempt = |cut: Cut| send(addr, &request, cut).ok().flatten();
        let answers: Vec<Option<Answer>> = std::thread::scope(|scope| {
            let sent: Vec<_> = cuts.iter().map(|cut| scope.spawn(|| attempt(*cut))).collect();
            sent.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let mut wait = 0;
        let mut answered = false;
        for answer in answers {
            let Some(answer) = answer else {
                state.cut += 1;
                continue;
            };
            if answer.status == 409 && answer.json()["code"] == "IDEMPOTENCY_IN_PROGRESS" {
                assert_eq!(answer.json()["retryAfter"], json!(answer.retry_after));
                wait = answer.retry_after.unwrap();
                state.told_to_wait += 1;
                continue;
            }
            assert!(answer.status < 500, "{call:?}: {answer:?}");
            answered = true;
            state.replayed += usize::from(answer.replayed);
            match state.answers.get(&call.key) {
                None => {
                    state.answers.insert(call.key.clone(), answer);
                }
                Some(told) => {
                    assert_eq!((told.status, &told.body), (answer.status, &answer.body), "{call:?}");
                }
            }
        }
        if answered && !first {
            state.finished += 1;
            return;
        }
        let not_before = Instant::now() + Duration::from_secs(wait);
        state.again.push_back(Again { call, not_before });
    }
}
