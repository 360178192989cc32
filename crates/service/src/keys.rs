//! Fresh keys for orders, holds and movements.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_contract::Key;

use crate::clock::Clock;

/// Makes keys. Two calls MUST NOT give the same key, and a later call MUST give a greater one.
pub trait KeySource: Send + Sync + Debug {
    /// The next key.
    fn next(&self) -> Key;
}

/// Keys that carry the time they were made at: strictly increasing, whatever the clock does.
///
/// When the clock stands, goes back, or gives more than [`Key::PER_MILLISECOND`] keys in a millisecond, keys run
/// ahead of it: the next millisecond is borrowed from the future.
#[derive(Debug)]
pub struct TimeOrderedKeys {
    clock: Arc<dyn Clock>,
    instance: u16,
    /// Milliseconds since the keys' epoch, times [`Key::PER_MILLISECOND`], plus the sequence.
    last: AtomicU64,
}

const PER_MILLISECOND: u64 = Key::PER_MILLISECOND as u64;

/// The keys' own epoch: `compose` counts anything earlier as this.
fn epoch_millis() -> u64 {
    Key::compose(0, 0, 0).unix_millis()
}

impl TimeOrderedKeys {
    /// Keys of one instance (taken modulo [`Key::INSTANCES`]). Instances that run at once need different numbers.
    pub fn new(clock: Arc<dyn Clock>, instance: u16) -> Self {
        Self { clock, instance: instance % Key::INSTANCES, last: AtomicU64::new(0) }
    }

    /// As [`TimeOrderedKeys::new`], with an instance number picked at random.
    pub fn with_random_instance(clock: Arc<dyn Clock>) -> Self {
        // The standard library seeds its hash maps from the system's randomness; ten bits of it are enough here.
        let random = RandomState::new().build_hasher().finish();
        Self::new(clock, (random % u64::from(Key::INSTANCES)) as u16)
    }

    /// Makes every further key greater than `key`, for instance the greatest one that the store has: the clock may
    /// have gone back while the service was down.
    pub fn advance_past(&self, key: Key) {
        let millis = key.unix_millis().saturating_sub(epoch_millis());
        self.last.fetch_max(millis * PER_MILLISECOND + (PER_MILLISECOND - 1), Ordering::Relaxed);
    }

    fn compose(&self, packed: u64) -> Key {
        let sequence = (packed % PER_MILLISECOND) as u16;
        Key::compose(packed / PER_MILLISECOND + epoch_millis(), self.instance, sequence)
    }
}

impl KeySource for TimeOrderedKeys {
    fn next(&self) -> Key {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let floor = now.saturating_sub(epoch_millis()) * PER_MILLISECOND;
        // Relaxed is enough: only the order of changes to this one number matters.
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = floor.max(last + 1);
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.compose(next),
                Err(seen) => last = seen,
            }
        }
    }
}

/// Keys that count up from a fixed start, for tests and simulation: the same run gives the same keys.
#[derive(Debug)]
pub struct SequentialKeys {
    next: AtomicU64,
}

impl SequentialKeys {
    /// 2026-01-01T00:00:00Z.
    const START_MILLIS: u64 = 1_767_225_600_000;

    /// The first key is number 0.
    pub fn new() -> Self {
        Self { next: AtomicU64::new(0) }
    }

    /// The key that the `n`-th call (from 0) gives.
    pub fn nth(n: u64) -> Key {
        Key::compose(Self::START_MILLIS + n / PER_MILLISECOND, 0, (n % PER_MILLISECOND) as u16)
    }
}

impl Default for SequentialKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl KeySource for SequentialKeys {
    fn next(&self) -> Key {
        Self::nth(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use holdfast_contract::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    fn increasing(keys: &dyn KeySource, count: usize, last: Key) -> Key {
        (0..count).fold(last, |last, _| {
            let next = keys.next();
            assert!(next > last, "{next:?} after {last:?}");
            next
        })
    }

    #[test]
    fn keys_increase_whatever_the_clock_does() {
        let clock = ManualClock::default();
        let keys = TimeOrderedKeys::new(Arc::new(clock.clone()), 5);
        let first = keys.next();
        assert_eq!(first.unix_millis(), 1_767_225_600_000);
        // Three milliseconds' worth while the clock stands.
        let last = increasing(&keys, 3 * usize::from(Key::PER_MILLISECOND), first);
        assert_eq!(last.unix_millis(), 1_767_225_600_003);
        for millis in [1_767_225_590_000, 0, -5, 1_000_000_000, 1_767_225_600_002, 1_767_225_700_000] {
            clock.set(Timestamp::from_millis(millis));
            increasing(&keys, 10, keys.next());
        }
        assert_eq!(keys.next().unix_millis(), 1_767_225_700_000);
    }

    #[test]
    fn a_clock_before_the_epoch_still_gives_different_keys() {
        let keys = TimeOrderedKeys::new(Arc::new(ManualClock::new(Timestamp::from_millis(0))), 0);
        increasing(&keys, 5000, keys.next());
    }

    #[test]
    fn keys_follow_the_greatest_stored_one() {
        let keys = TimeOrderedKeys::new(Arc::new(ManualClock::default()), 0);
        let stored = Key::compose(1_767_225_900_000, 1023, 4095);
        keys.advance_past(stored);
        assert!(keys.next() > stored);
    }

    #[test]
    fn threads_never_get_the_same_key() {
        let keys = TimeOrderedKeys::with_random_instance(Arc::new(ManualClock::default()));
        let all: Vec<Key> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..5000).map(|_| keys.next()).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
    }

    #[test]
    fn sequential_keys_repeat_from_run_to_run() {
        let keys = SequentialKeys::new();
        assert_eq!((keys.next(), keys.next()), (SequentialKeys::nth(0), SequentialKeys::nth(1)));
        increasing(&keys, 10_000, SequentialKeys::nth(1));
    }
}
