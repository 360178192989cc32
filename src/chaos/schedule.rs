//! What happens to the system, and when: all of it follows from the seed.

use std::time::Duration;

use holdfast_sim::Dice;

/// Between two faults, in milliseconds.
const PAUSE: u64 = 700;
/// The same where the partitions of a killed process are left alone until the broker misses it, which takes ten seconds.
const PAUSE_OF_SEVERAL: u64 = 4_000;
/// How long a process stays away, in milliseconds.
const DOWN: u64 = 300;
/// How soon a process that has just been started is killed again, in milliseconds: while it opens its databases, mostly.
const EARLY: u64 = 120;
/// How long something stands still, in milliseconds. Longer than clients wait for an answer, so that they send again what
/// is still being done.
const STILL: u64 = 2_500;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL for a process, or for all of them. It comes back after `down`; if `early`, it is killed again that long after
    /// its start.
    Kill { target: Target, down: Duration, early: Option<Duration> },
    /// SIGTERM, and a new process once it has ended.
    Restart { target: usize, down: Duration },
    /// SIGSTOP, and SIGCONT after `time`.
    Stop { target: usize, time: Duration },
    /// All connections through a proxy are cut at once.
    Cut { proxy: usize },
    /// Every piece of data through a proxy is delayed by up to `most`, for `time`.
    Slow { proxy: usize, most: Duration, time: Duration },
    /// Connections through a proxy stay open, and nothing passes for `time`.
    Hang { proxy: usize, time: Duration },
    /// SIGSTOP for a server that the system uses, and SIGCONT after `time`.
    StopServer { server: usize, time: Duration },
}

/// Which processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// This one.
    One(usize),
    /// Every one, at the same moment.
    All,
}

/// One fault after the other, without an end.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    dice: Dice,
    /// Processes of the system.
    processes: usize,
    /// Proxies before it, at least one.
    proxies: usize,
    /// Servers that may be stopped.
    servers: usize,
}

impl Schedule {
    pub(crate) fn new(dice: Dice, processes: usize, proxies: usize, servers: usize) -> Self {
        Self { dice, processes, proxies, servers }
    }
}

impl Iterator for Schedule {
    /// How long after the end of the last one, and what.
    type Item = (Duration, Fault);

    fn next(&mut self) -> Option<Self::Item> {
        let Self { dice, processes, proxies, servers } = self;
        let longest = if *processes > 1 { PAUSE_OF_SEVERAL } else { PAUSE };
        // Every fifth at once, so that it meets what the last one has left.
        let pause = if dice.percent(20) { Duration::ZERO } else { dice.millis(longest) };
        let target = dice.index(*processes);
        let proxy = dice.index(*proxies);
        let fault = match dice.below(100) {
            0..55 => {
                let all = *processes > 1 && dice.percent(15);
                let down = if dice.percent(50) { Duration::ZERO } else { dice.millis(DOWN) };
                let early = dice.percent(20).then(|| dice.millis(EARLY));
                Fault::Kill { target: if all { Target::All } else { Target::One(target) }, down, early }
            }
            55..68 => Fault::Restart { target, down: dice.millis(DOWN) },
            68..76 => Fault::Stop { target, time: dice.millis(STILL) },
            76..86 => Fault::Cut { proxy },
            86..92 => {
                let most = dice.millis(100) + Duration::from_millis(1);
                Fault::Slow { proxy, most, time: dice.millis(STILL) }
            }
            92..96 if *servers > 0 => {
                Fault::StopServer { server: dice.index(*servers), time: dice.millis(STILL) }
            }
            _ => Fault::Hang { proxy, time: dice.millis(STILL) },
        };
        Some((pause, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(seed: u64, processes: usize, servers: usize) -> Vec<(Duration, Fault)> {
        Schedule::new(Dice::seeded(seed), processes, 2, servers).take(400).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_again() {
        assert_eq!(faults(1, 4, 1), faults(1, 4, 1));
        assert_ne!(faults(1, 4, 1), faults(2, 4, 1));
    }

    #[test]
    fn every_kind_comes_up_and_only_what_is_there_is_hit() {
        let all = faults(1, 4, 2);
        let has = |kind: fn(&Fault) -> bool| all.iter().any(|(_, fault)| kind(fault));
        assert!(has(|f| matches!(f, Fault::Kill { target: Target::All, .. })));
        assert!(has(|f| matches!(f, Fault::Kill { target: Target::One(3), early: Some(_), .. })));
        assert!(has(|f| matches!(f, Fault::Restart { .. })));
        assert!(has(|f| matches!(f, Fault::Stop { .. })));
        assert!(has(|f| matches!(f, Fault::Cut { proxy: 1 })));
        assert!(has(|f| matches!(f, Fault::Slow { .. })));
        assert!(has(|f| matches!(f, Fault::Hang { proxy: 0, .. })));
        assert!(has(|f| matches!(f, Fault::StopServer { server: 1, .. })));
        let alone = faults(1, 1, 0);
        let wrong = |fault: &Fault| {
            matches!(fault, Fault::StopServer { .. } | Fault::Kill { target: Target::All, .. })
        };
        assert!(!alone.iter().any(|(_, fault)| wrong(fault)));
        assert!(
            all.iter().any(|(pause, _)| pause.is_zero()) && all.iter().any(|(pause, _)| !pause.is_zero())
        );
    }
}
