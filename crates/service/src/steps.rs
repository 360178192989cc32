//! The story of every order in plain lines ("Reserved 2 units of Test Product (new stock: 48)"), which people follow
//! on a terminal. At thousands of orders a second nobody reads them, so only the first of each second are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::lifecycle::Lifecycle;
use crate::telemetry::STEP_TARGET;

/// Writes step lines, at most so many a second, and then one that says how many more there were. Clones share the
/// count.
#[derive(Clone, Debug)]
pub struct Steps {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    per_second: u32,
    /// The second (its low 32 bits) in the high half, the steps in it in the low half.
    window: AtomicU64,
}

impl Steps {
    /// Lines a second, unless told otherwise.
    pub const DEFAULT_PER_SECOND: u32 = 40;

    /// At most [`Steps::DEFAULT_PER_SECOND`] lines a second of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_limit(clock, Self::DEFAULT_PER_SECOND)
    }

    /// At most `per_second` lines a second of `clock`.
    pub fn with_limit(clock: Arc<dyn Clock>, per_second: u32) -> Self {
        Self { inner: Arc::new(Inner { clock, per_second, window: AtomicU64::new(0) }) }
    }

    /// Writes the line that `line` makes, unless this second has had enough; then `line` is not called.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if !tracing::enabled!(target: STEP_TARGET, tracing::Level::INFO) {
            return;
        }
        let (allowed, suppressed) = self.inner.count(1);
        summarise(suppressed);
        if allowed {
            tracing::info!(target: STEP_TARGET, "{}", line());
        }
    }

    /// Writes the summary of a second that has passed, if one is due.
    pub fn flush(&self) {
        let (_, suppressed) = self.inner.count(0);
        summarise(suppressed);
    }

    /// Flushes every second until shutdown, so that a burst's summary does not wait for the next order.
    pub fn spawn_flusher(&self, lifecycle: &Lifecycle) {
        let steps = self.clone();
        let drain = lifecycle.drain_token();
        lifecycle.spawn("step summary", async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            while drain.run_until_cancelled(tick.tick()).await.is_some() {
                steps.flush();
            }
        });
    }
}

impl Inner {
    /// Counts `steps` in the current second: whether they may be written, and how many were suppressed in the
    /// previous window if this call ended it.
    fn count(&self, steps: u64) -> (bool, u64) {
        let limit = u64::from(self.per_second);
        let second = (self.clock.now().as_millis().div_euclid(1000).cast_unsigned() & 0xFFFF_FFFF) << 32;
        let mut seen = self.window.load(Ordering::Relaxed);
        loop {
            let same = seen & !0xFFFF_FFFF == second;
            let before = if same { seen & 0xFFFF_FFFF } else { 0 };
            let next = second | (before + steps).min(0xFFFF_FFFF);
            match self.window.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if same => return (before < limit, 0),
                // Exactly one caller replaces a window, so each is summarised once.
                Ok(_) => return (limit > 0, (seen & 0xFFFF_FFFF).saturating_sub(limit)),
                Err(now) => seen = now,
            }
        }
    }
}

fn summarise(suppressed: u64) {
    if suppressed > 0 {
        let plural = if suppressed == 1 { "" } else { "s" };
        tracing::info!(target: STEP_TARGET, suppressed, "… and {} more step{plural}", grouped(suppressed));
    }
}

/// `14322` as `14,322`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn numbers_are_grouped_in_threes() {
        for (number, text) in [(1, "1"), (999, "999"), (1000, "1,000"), (14_322, "14,322")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn lines_beyond_the_limit_are_not_even_made() {
        let clock = ManualClock::default();
        let steps = Steps::with_limit(Arc::new(clock.clone()), 2);
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut made = 0;
            for _ in 0..5 {
                steps.say(|| {
                    made += 1;
                    String::new()
                });
            }
            assert_eq!(made, 2);
            clock.advance(Duration::from_secs(1));
            assert_eq!(steps.inner.count(0), (true, 3));
            assert_eq!(steps.inner.count(0), (true, 0));
            steps.say(|| {
                made += 1;
                String::new()
            });
            assert_eq!(made, 3);
        });
        // Nobody listens: nothing is made or counted.
        steps.say(|| unreachable!());
    }
}
