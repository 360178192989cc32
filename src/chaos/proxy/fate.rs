//! What becomes of one connection, drawn when it begins.

use std::time::Duration;

use holdfast_sim::Dice;

/// Some connections are cut in their first request or answer.
const EARLY_CUT: u64 = 1_500;
/// The longest delay of each piece of data, in milliseconds.
const LAG: u64 = 25;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the service.
    Up,
    /// From the service to the client.
    Down,
}

/// What becomes of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// Cut after so many bytes in one direction.
    cut: Option<(Direction, u64)>,
    /// The longest delay of each piece of data.
    pub(super) lag: Duration,
}

impl Fate {
    /// Two of three connections are cut some time, at the latest at byte `latest_cut`, and every fourth is slow.
    pub(super) fn draw(dice: &mut Dice, latest_cut: u64) -> Self {
        let direction = if dice.percent(40) { Direction::Up } else { Direction::Down };
        let latest = if dice.percent(30) { EARLY_CUT } else { latest_cut };
        let at = dice.below(latest);
        let cut = dice.percent(67).then_some((direction, at));
        let lag = if dice.percent(25) { dice.millis(LAG) } else { Duration::ZERO };
        Self { cut, lag }
    }

    /// The byte in this direction before which it is cut.
    pub(super) fn cut_at(&self, direction: Direction) -> Option<u64> {
        self.cut.filter(|(way, _)| *way == direction).map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_are_of_all_kinds_and_come_again_with_their_seed() {
        let draw = |seed| {
            let mut dice = Dice::seeded(seed);
            (0..200).map(|_| Fate::draw(&mut dice, 20_000)).collect::<Vec<_>>()
        };
        let fates = draw(3);
        assert_eq!(fates, draw(3));
        for direction in [Direction::Up, Direction::Down] {
            assert!(fates.iter().any(|fate| fate.cut_at(direction).is_some_and(|at| at < EARLY_CUT)));
            assert!(fates.iter().any(|fate| fate.cut_at(direction).is_some_and(|at| at > EARLY_CUT)));
        }
        assert!(fates.iter().any(|fate| *fate == Fate::default()), "some are left alone");
        assert!(fates.iter().any(|fate| !fate.lag.is_zero()));
    }
}
