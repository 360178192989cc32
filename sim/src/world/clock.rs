//! An instance's clock, which may be wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use holdfast_contract::Timestamp;
use holdfast_service::Clock;

use crate::schedule::Schedule;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// Shows the run's time, and is off by some. Clones are the same clock.
#[derive(Clone)]
pub(super) struct SimClock {
    schedule: Schedule,
    off: Arc<AtomicI64>,
}

impl SimClock {
    pub(super) fn new(schedule: Schedule, off: i64) -> Self {
        Self { schedule, off: Arc::new(AtomicI64::new(off)) }
    }

    pub(super) fn jump(&self, by: i64) {
        self.off.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn off(&self) -> i64 {
        self.off.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimClock({:+} ms)", self.off())
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let now = i64::try_from(self.schedule.now()).unwrap_or(i64::MAX);
        Timestamp::from_millis(START.saturating_add(now).saturating_add(self.off()))
    }
}
