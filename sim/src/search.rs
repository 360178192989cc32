//! Running many seeds, and telling what came of them.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::oracle::Violation;
use crate::plan::Plan;
use crate::world::{Counts, Outcome, run};

/// Which seeds, and how.
#[derive(Clone, Debug)]
pub struct Search {
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// Steps of each plan.
    pub steps: u64,
    /// Seeds that are run at once.
    pub threads: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Seeds that were run to their end.
    pub runs: u64,
    /// What happened in them.
    pub counts: Counts,
    /// The first plan that broke something, if one did; then the search ended.
    pub failure: Option<(Plan, Violation)>,
}

impl Search {
    /// Runs the seeds, in order, until something is found or `stop` is cancelled. `progress` is called after each.
    pub fn run(&self, stop: &CancellationToken, progress: &(dyn Fn() + Sync)) -> Found {
        let next = Mutex::new(self.seeds.clone());
        let found = Mutex::new(Found::default());
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    while !stop.is_cancelled() && found.lock().failure.is_none() {
                        let Some(seed) = next.lock().next() else { return };
                        let plan = Plan::of(seed, self.steps);
                        let outcome = attempt(&plan, false);
                        let mut found = found.lock();
                        found.runs += 1;
                        found.counts.add(&outcome.counts);
                        keep(&mut found, plan, outcome.violation);
                        progress();
                    }
                });
            }
        });
        found.into_inner()
    }
}

/// Several threads may find something before they stop: the smallest seed counts, so that the same search finds the same.
fn keep(found: &mut Found, plan: Plan, violation: Option<Violation>) {
    let Some(violation) = violation else { return };
    if found.failure.as_ref().is_none_or(|(first, _)| plan.seed < first.seed) {
        found.failure = Some((plan, violation));
    }
}

/// As [`run`]; a panic of the code under test is a violation too.
pub fn attempt(plan: &Plan, keep: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(plan, keep))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        let violation = Violation { invariant: 0, what: format!("panicked: {text}") };
        Outcome { violation: Some(violation), ..Outcome::default() }
    })
}
