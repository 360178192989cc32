//! Choices that can be made again: the same seed gives the same ones.

use std::time::Duration;

/// A generator of numbers (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// With this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one, whose choices have nothing to do with this one's later choices.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// From 0 to below `below`, which is at least 1.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.roll(100) < times
    }

    /// Up to so many milliseconds.
    pub fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most + 1))
    }

    /// Any place in a list of so many; 0 if there is none.
    pub fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.roll(count as u64)).unwrap_or_default()
    }

    /// Any of these; `None` of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_choices_again() {
        let choices = |seed| {
            let mut dice = Dice::seeded(seed);
            let mut other = dice.split();
            [dice.roll(1000), other.roll(1000), dice.roll(6), u64::from(dice.percent(50))]
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
        // The first number of SplitMix64 with seed 0, as its authors have it.
        assert_eq!(Dice::seeded(0).next(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn every_side_comes_up_and_none_beside_them() {
        let mut dice = Dice::seeded(1);
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[dice.index(6)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert_eq!(dice.roll(0), 0);
    }
}
