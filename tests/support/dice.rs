//! Choices that can be repeated.

/// A small generator of numbers; the seed is printed, so that a failure can be repeated.
#[derive(Clone)]
pub(crate) struct Dice(holdfast_sim::Dice);

impl Dice {
    /// Seeded by `HOLDFAST_TEST_SEED`, or by the time.
    #[allow(clippy::disallowed_methods, reason = "a seed for a test, and printed")]
    pub(crate) fn new() -> Self {
        let seed =
            std::env::var("HOLDFAST_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos()) | 1
            });
        println!("HOLDFAST_TEST_SEED={seed}");
        Self::seeded(seed)
    }

    /// With a given seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(holdfast_sim::Dice::seeded(seed))
    }

    /// From 0 to below `below`.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0.below(below)
    }
}
