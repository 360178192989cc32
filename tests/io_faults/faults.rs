//! The disk fails at every point of the scenario, and works again.
//!
//! The scenario runs once on a disk that works, and is marked between operations. A run with a fault starts from the mark
//! some operations before it, so that it costs the same wherever the fault is.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_faultfs::{Disk, Fault, Image, Plan};

use crate::scenario::{Mark, Scenario};
use crate::{THREADS, blocking, check};

/// Operations before the one with the fault: the services have something in memory by then, and the run is short.
const BEFORE: usize = 1;
/// Operations after the fault is over.
const AFTERWARDS: usize = 2;

/// The scenario between two operations, with how much the disk had done by then.
struct Halt {
    points: u64,
    reads: u64,
    image: Image,
    mark: Mark,
}

/// A whole run without faults.
pub(crate) struct Recorded {
    halts: Vec<Halt>,
    /// Points that it has.
    pub(crate) points: u64,
    /// Reads that it has.
    pub(crate) reads: u64,
}

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// At this point.
    At(u64, Fault),
    /// A read fails.
    Read(u64),
}

impl Recorded {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        let mut halts = Vec::new();
        blocking(async {
            let mut scenario = Scenario::new(seed, folder.path(), Some(disk.vfs()));
            let halt = |scenario: &Scenario<'_>| Halt {
                points: disk.points(),
                reads: disk.reads(),
                image: disk.image(),
                mark: scenario.mark(),
            };
            halts.push(halt(&scenario));
            let mut world = scenario.open().await;
            while !scenario.is_over() {
                world = scenario.step(world).await;
                halts.push(halt(&scenario));
            }
            world.close().await;
            check::whole(folder.path(), &scenario.book(), 0).await;
            assert_eq!(scenario.refused, 0, "nothing fails on a disk that works");
        });
        Self { halts, points: disk.points(), reads: disk.reads() }
    }

    /// One run with one fault. Says whether anybody saw it.
    pub(crate) fn run(&self, trouble: Trouble) -> bool {
        crate::saying(&format!("{trouble:?}"), || {
            let before = |halt: &Halt| match trouble {
                Trouble::At(at, _) => halt.points < at,
                Trouble::Read(at) => halt.reads < at,
            };
            let from = &self.halts[self.halts.partition_point(before).saturating_sub(1 + BEFORE)];
            let folder = tempfile::tempdir().unwrap();
            from.image.write(folder.path()).unwrap();
            let disk = Disk::new();
            match trouble {
                Trouble::At(at, fault) => disk.plan(Plan {
                    at: at - from.points,
                    // A full disk has room again after a while; an I/O error is one.
                    points: if fault == Fault::Full { 12 } else { 1 },
                    fault,
                }),
                Trouble::Read(at) => disk.fail_read(at - from.reads),
            }
            blocking(async {
                let mut scenario = Scenario::resume(from.mark.clone(), folder.path(), disk.vfs());
                let mut world = scenario.open().await;
                let mut afterwards = 0;
                while !scenario.is_over() && afterwards < AFTERWARDS {
                    world = scenario.step(world).await;
                    afterwards += usize::from(disk.faults() > 0 && disk.is_well());
                }
                world.close().await;
                check::whole(folder.path(), &scenario.book(), 0).await;
                scenario.refused > 0
            })
        })
    }
}

/// Runs `one` for each number from 1 to `last`, on all threads; counts for how many it says yes.
pub(crate) fn for_each(last: u64, one: impl Fn(u64) -> bool + Sync) -> u64 {
    let (next, yes) = (AtomicU64::new(1), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        return;
                    }
                    yes.fetch_add(u64::from(one(at)), Ordering::Relaxed);
                }
            });
        }
    });
    yes.into_inner()
}
