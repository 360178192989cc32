//! The open loop's clock: lets one order go whenever one is due, whether or not the last was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The longest that the pacer sleeps: how fast it notices that it is to stop.
const NAP: Duration = Duration::from_millis(20);

/// When each order is due: evenly spaced from the start.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    started: Instant,
    per_second: u32,
    due: Arc<Semaphore>,
}

impl Schedule {
    /// `per_second` is at least 1.
    pub(crate) fn new(started: Instant, per_second: u32) -> Self {
        Self { started, per_second: per_second.max(1), due: Arc::new(Semaphore::new(0)) }
    }

    /// When order `number` (from 0) is due.
    pub(crate) fn due(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        self.started + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many orders are due by `now`.
    pub(crate) fn due_by(&self, now: Instant) -> u64 {
        let Some(elapsed) = now.checked_duration_since(self.started) else { return 0 };
        let due = elapsed.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Waits until an order that nobody has taken is due; `false` when there will be none.
    pub(crate) async fn next_is_due(&self) -> bool {
        match self.due.acquire().await {
            Ok(permit) => {
                permit.forget();
                true
            }
            Err(_) => false,
        }
    }
}

/// A thread, because tokio's timers are good to a millisecond, which is more than most answers take.
#[derive(Debug)]
pub(crate) struct Pacer {
    halted: Arc<AtomicBool>,
    released: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Lets orders go until there were `orders`, or it is `until`, or it is stopped.
    pub(crate) fn start(schedule: Schedule, orders: u64, until: Instant) -> Self {
        let halted = Arc::new(AtomicBool::new(false));
        let released = Arc::new(AtomicU64::new(0));
        let thread = thread::spawn({
            let (halted, released) = (Arc::clone(&halted), Arc::clone(&released));
            move || pace(&schedule, orders, until, &halted, &released)
        });
        Self { halted, released, thread: Some(thread) }
    }

    /// Lets no more go.
    pub(crate) fn stop(&self) {
        self.halted.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Stops, and gives how many orders were due.
    pub(crate) fn finish(mut self) -> u64 {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.released.load(Ordering::Relaxed)
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn pace(schedule: &Schedule, orders: u64, until: Instant, halted: &AtomicBool, released: &AtomicU64) {
    let mut gone = 0;
    while gone < orders && !halted.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= until {
            break;
        }
        let due = schedule.due_by(now).min(orders);
        if due > gone {
            let more = usize::try_from(due - gone).unwrap_or(usize::MAX);
            schedule.due.add_permits(more.min(Semaphore::MAX_PERMITS >> 2));
            gone = due;
            released.store(gone, Ordering::Relaxed);
        } else {
            thread::park_timeout(schedule.due(gone).saturating_duration_since(now).min(NAP));
        }
    }
    if gone < orders {
        // Whoever still waits is told that no more will come; what is due and not taken counts as unsent.
        schedule.due.close();
    } else {
        // What is due is still to be sent; whoever finds that there is no order left for it ends.
        schedule.due.add_permits(Semaphore::MAX_PERMITS >> 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_due_evenly() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 4000);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(1) - start, Duration::from_micros(250));
        assert_eq!(schedule.due(4000) - start, Duration::from_secs(1));
        for number in [0, 1, 7, 3999, 123_456] {
            assert_eq!(schedule.due_by(schedule.due(number)), number + 1);
        }
        assert_eq!(schedule.due_by(start + Duration::from_micros(249)), 1);
        let uneven = Schedule::new(start, 3);
        assert_eq!(uneven.due_by(uneven.due(2) + Duration::from_nanos(1)), 3);
    }

    #[tokio::test]
    async fn the_pacer_lets_exactly_as_many_go_as_asked() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 100_000);
        let pacer = Pacer::start(schedule.clone(), 50, start + Duration::from_secs(600));
        let mut taken = 0;
        while taken < 50 && schedule.next_is_due().await {
            taken += 1;
        }
        assert_eq!(pacer.finish(), taken);
    }

    #[tokio::test]
    async fn a_stopped_pacer_lets_nobody_wait() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 1);
        let pacer = Pacer::start(schedule.clone(), u64::MAX, start + Duration::from_secs(3600));
        pacer.stop();
        while schedule.next_is_due().await {}
        assert!(pacer.finish() <= schedule.due_by(Instant::now()));
    }
}
