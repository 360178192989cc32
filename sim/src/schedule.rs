//! Who goes on when: every step of the shipped code that the world can see waits at a [`Gate`], and one at a time is let
//! through, in an order that follows from the seed alone.
//!
//! Between two gates a task of the shipped code runs by itself, and may wake others; how the runtime orders those is not
//! part of the seed: a `watch` channel wakes its receivers in any order. It does not matter, because each of them comes to
//! a gate of its own before it can see or change anything that others see, which is for the world to keep true: it looks at
//! what may have changed after a gate, not before, and ends the tasks of a dead process itself, one after the other. So a
//! run is a sequence of passed gates, and the same seed gives the same sequence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::dice::Dice;

/// When, whose, and its how manieth: no two are the same.
type Turn = (u64, u64, u64);

/// Those who wait. Clones are the same schedule.
#[derive(Clone)]
pub(crate) struct Schedule {
    started: Instant,
    waiting: Arc<Mutex<BTreeMap<Turn, oneshot::Sender<()>>>>,
    arrived: Arc<Notify>,
}

impl Schedule {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), waiting: Arc::default(), arrived: Arc::default() }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A gate for one task of the shipped code. `part` must be another one for each.
    pub(crate) fn gate(&self, seed: u64, part: u64) -> Gate {
        Gate {
            schedule: self.clone(),
            part,
            passing: Arc::new(Mutex::new(Passing { dice: Dice::of(seed, part), passed: 0 })),
            stalled_until: Arc::default(),
        }
    }

    /// Waits until nobody has anything to do but wait, and lets the next one through, if its time has come by `until`
    /// (milliseconds since the beginning). Says whether there was one; if not, it is `until` now.
    ///
    /// Only one task of the world may call it.
    pub(crate) async fn step(&self, until: u64) -> bool {
        loop {
            // On a paused clock this comes back when every other task waits.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = self.now();
            let next = {
                let mut waiting = self.waiting.lock();
                // Whoever was aborted waits no more.
                while let Some(first) = waiting.first_entry() {
                    if !first.get().is_closed() {
                        break;
                    }
                    first.remove();
                }
                waiting.first_key_value().map(|(turn, _)| *turn)
            };
            match next {
                Some(turn) if turn.0 <= now => {
                    if let Some(sender) = self.waiting.lock().remove(&turn) {
                        let _ = sender.send(());
                    }
                    return true;
                }
                _ if now >= until => return false,
                Some(turn) => self.sleep_until(turn.0.min(until)).await,
                None => self.sleep_until(until).await,
            }
        }
    }

    /// Timers of the shipped code may fire meanwhile, and bring somebody to a gate who is due before.
    async fn sleep_until(&self, at: u64) {
        let at = self.started + Duration::from_millis(at);
        tokio::select! {
            biased;
            () = self.arrived.notified() => {}
            () = tokio::time::sleep_until(at) => {}
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::new()
    }
}

struct Passing {
    dice: Dice,
    passed: u64,
}

/// Where one task of the shipped code waits for its turn.
#[derive(Clone)]
pub(crate) struct Gate {
    schedule: Schedule,
    part: u64,
    passing: Arc<Mutex<Passing>>,
    /// Of its process: until then nobody of it goes on, in milliseconds since the beginning.
    stalled_until: Arc<AtomicU64>,
}

impl Gate {
    /// Waits for a turn: mostly a moment, now and then as long as something slow takes, and rarely longer than any claim,
    /// turn or patience in the product lasts.
    pub(crate) async fn pass(&self) {
        loop {
            // The schedule outlives every gate; were it gone, so would be the run.
            let _ = self.wait().await;
            if self.stalled_until.load(Ordering::Relaxed) <= self.now() {
                return;
            }
        }
    }

    fn wait(&self) -> oneshot::Receiver<()> {
        let mut passing = self.passing.lock();
        passing.passed += 1;
        let dice = &mut passing.dice;
        let wait = match dice.below(1_000) {
            0 => dice.between(1_000, 7_000),
            1..=20 => dice.between(20, 200),
            _ => dice.between(0, 3),
        };
        let due = (self.schedule.now() + wait).max(self.stalled_until.load(Ordering::Relaxed));
        let (open, opened) = oneshot::channel();
        self.schedule.waiting.lock().insert((due, self.part, passing.passed), open);
        self.schedule.arrived.notify_one();
        opened
    }

    /// The gate of a process that stands still until the time in `stalled_until`.
    #[must_use]
    pub(crate) fn of_process(self, stalled_until: Arc<AtomicU64>) -> Self {
        Self { stalled_until, ..self }
    }

    /// What this task does by chance.
    pub(crate) fn chance<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.passing.lock().dice)
    }

    /// Another gate, for something that this task has made: a producer, say.
    #[must_use]
    pub(crate) fn child(&self) -> Self {
        let seed = self.chance(Dice::next);
        // The greatest bit sets it apart from all that are numbered by hand.
        self.schedule.gate(seed, seed | 1 << 63).of_process(self.stalled_until.clone())
    }

    /// Milliseconds since the beginning of the run.
    pub(crate) fn now(&self) -> u64 {
        self.schedule.now()
    }
}
