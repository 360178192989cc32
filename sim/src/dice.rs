//! The one source of chance: numbers that follow from a seed. Not for secrets.

use std::time::Duration;

/// Falls as its seed says, on every machine and in every version: saved seeds must go on meaning the same run.
///
/// The numbers are those of splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// With this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Others, whose choices have nothing to do with the later choices of these.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// Dice of their own for `part` of a run. What one part throws does not change what another one gets, so the order in
    /// which they run is not part of the seed.
    pub fn of(seed: u64, part: u64) -> Self {
        let mut dice = Self(seed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.next();
        dice
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The bias is below one in 2^50 for every `n` that is asked for here.
        if n == 0 { 0 } else { self.next() % n }
    }

    /// An index into something of that length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True once in `n` times; never if `n` is 0.
    pub fn once_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// Up to so many milliseconds.
    pub fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most + 1))
    }

    /// Any of these; `None` of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.index(of.len()))
    }

    /// One of them, by weight.
    ///
    /// # Panics
    /// If there is nothing to choose from.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for &(weight, choice) in choices {
            if at < weight {
                return choice;
            }
            at -= weight;
        }
        choices[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let mut dice = Dice(1);
        assert_eq!([dice.next(), dice.next()], [0x910a_2dec_8902_5cc1, 0xbeeb_8da1_658e_ec67]);
        assert_ne!(Dice::of(1, 1).next(), Dice::of(1, 2).next());
        assert_eq!(Dice::seeded(1).split().next(), Dice::seeded(0x910a_2dec_8902_5cc1).next());
        // The first number of seed 0, as its authors have it.
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
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn weights_are_kept() {
        let mut dice = Dice(7);
        let ones = (0..1_000).filter(|_| dice.weighted(&[(3, 1), (1, 0), (0, 9)]) == 1).count();
        assert!((650..850).contains(&ones), "{ones}");
    }
}
