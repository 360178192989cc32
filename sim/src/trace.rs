//! What happened in a run, as a number that two runs of one seed must agree on, and as lines for people.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::schedule::Schedule;

/// Takes up what happens. Clones are the same trace.
#[derive(Clone)]
pub(crate) struct Trace {
    schedule: Schedule,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    hash: u64,
    events: u64,
    line: String,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; `keep` the lines, or only their hash.
    pub(crate) fn new(schedule: Schedule, keep: bool) -> Self {
        // FNV-1a: it has to tell runs apart, not to withstand anybody.
        let lines = keep.then(Vec::new);
        let inner = Inner { hash: 0xcbf2_9ce4_8422_2325, events: 0, line: String::new(), lines };
        Self { schedule, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Takes up an event.
    pub(crate) fn say(&self, what: std::fmt::Arguments<'_>) {
        let now = self.schedule.now();
        let mut inner = self.inner.lock();
        let Inner { hash, events, line, lines } = &mut *inner;
        line.clear();
        // Writing to a string cannot fail.
        let _ = write!(line, "{now:>8} ms  {what}");
        for byte in line.bytes() {
            *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        *events += 1;
        if let Some(lines) = lines {
            lines.push(line.clone());
        }
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> u64 {
        self.inner.lock().hash
    }

    /// How much happened so far.
    pub(crate) fn events(&self) -> u64 {
        self.inner.lock().events
    }

    /// The lines so far; none if they are not kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner.lock().lines.clone().unwrap_or_default()
    }
}
