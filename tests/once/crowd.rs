//! Clients that send each call one to five times at once and hang up where they like, until each has its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::calls::{Addresses, Call};
use crate::support::{Dice, Holdfast};
use crate::wire::{Answer, Cut, send};

/// Keys that are in use at once.
const CLIENTS: usize = 12;

/// A call that is to be made, not before a time.
struct Waiting {
    call: Call,
    not_before: Option<Instant>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The one answer of each key.
    answers: BTreeMap<String, Answer>,
    /// Keys whose first whole answer was not theirs to keep: they were told to come again.
    told_to_wait: usize,
    replayed: usize,
    cut: usize,
    finished: usize,
}

pub(crate) struct Crowd {
    state: Mutex<State>,
    seed: u64,
}

impl Crowd {
    pub(crate) fn new(calls: &[Call], seed: u64) -> Self {
        let waiting = calls.iter().map(|call| Waiting { call: call.clone(), not_before: None }).collect();
        Self { state: Mutex::new(State { waiting, ..State::default() }), seed }
    }

    /// Makes the calls until every key has its answer; or until so many have, and then leaves what is on its way to the
    /// caller, who kills the process.
    pub(crate) fn run(&self, system: &Holdfast, until: Option<usize>) {
        let addresses = Addresses::from(system);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (stop, seed) = (&stop, self.seed.wrapping_add(client as u64));
                scope.spawn(move || {
                    let mut dice = Dice::seeded(seed);
                    while !stop.load(Ordering::Relaxed)
                        && let Some(waiting) = self.next()
                    {
                        self.make(waiting, &addresses, &mut dice);
                        if until.is_some_and(|until| self.state.lock().unwrap().finished >= until) {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let state = self.state.lock().unwrap();
        println!(
            "{} keys have their answer, {} to go; {} answers were repeated, {} told to wait, {} attempts cut",
            state.finished,
            state.waiting.len(),
            state.replayed,
            state.told_to_wait,
            state.cut
        );
    }

    /// The answer of every key.
    pub(crate) fn answers(&self) -> BTreeMap<String, Answer> {
        self.state.lock().unwrap().answers.clone()
    }

    #[allow(clippy::disallowed_methods, reason = "a client that was told when to come again")]
    fn next(&self) -> Option<Waiting> {
        let waiting = self.state.lock().unwrap().waiting.pop_front()?;
        if let Some(due) = waiting.not_before {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Some(waiting)
    }

    /// Sends a call one to five times at once. If none of them was answered, it is to be made again.
    #[allow(clippy::disallowed_methods, reason = "notes when to come again")]
    fn make(&self, waiting: Waiting, addresses: &Addresses, dice: &mut Dice) {
        let Waiting { call, not_before } = waiting;
        let (addr, request) = call.request(addresses);
        let cuts: Vec<Cut> = match not_before {
            // It has been cut often enough; now it wants to know.
            Some(_) => vec![Cut::Nowhere],
            None => (0..=dice.roll(5)).map(|_| Cut::anywhere(request.len(), dice)).collect(),
        };
        let answers: Vec<Option<Answer>> = match cuts[..] {
            [cut] => vec![send(addr, &request, cut).ok().flatten()],
            _ => std::thread::scope(|scope| {
                let sent: Vec<_> = cuts
                    .iter()
                    .map(|cut| scope.spawn(|| send(addr, &request, *cut).ok().flatten()))
                    .collect();
                sent.into_iter().map(|attempt| attempt.join().unwrap()).collect()
            }),
        };
        let mut state = self.state.lock().unwrap();
        let mut wait = 0;
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
            state.replayed += usize::from(answer.replayed);
            match state.answers.get(&call.key) {
                None => {
                    state.answers.insert(call.key.clone(), answer);
                }
                Some(first) => {
                    assert_eq!((first.status, &first.body), (answer.status, &answer.body), "{call:?}");
                }
            }
        }
        // Once more for each, so that every key has been sent when everything about it was over.
        let again = match (not_before, state.answers.contains_key(&call.key)) {
            (Some(_), true) => {
                state.finished += 1;
                return;
            }
            (_, true) => Duration::ZERO,
            (_, false) => Duration::from_secs(wait),
        };
        state.waiting.push_back(Waiting { call, not_before: Some(Instant::now() + again) });
    }
}
