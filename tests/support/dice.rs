//! Choices that can be repeated.

/// A small generator of numbers; the seed is printed, so that a failure can be repeated.
#[derive(Clone)]
pub(crate) struct Dice(u64);

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
        Self(seed)
    }

    /// With a given seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to below `below`.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}
