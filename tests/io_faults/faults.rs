//! The disk fails at every point of the scenario, and works again.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_faultfs::{Disk, Fault, Plan};

use crate::scenario::Scenario;
use crate::{THREADS, blocking, check};

/// Operations after the fault is over.
const AFTERWARDS: usize = 6;

/// Points that the scenario has, and reads.
pub(crate) fn counted(seed: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    blocking(async {
        let mut scenario = Scenario::new(seed, folder.path(), Some(disk.vfs()));
        let mut world = scenario.open().await;
        while !scenario.is_over() {
            world = scenario.step(world).await;
        }
        world.close().await;
        check::whole(folder.path(), &scenario.book(), 0).await;
        assert_eq!(scenario.refused, 0, "nothing fails on a disk that works");
    });
    (disk.points(), disk.reads())
}

/// Runs `one` for each number from 1 to `last`, on all threads.
pub(crate) fn for_each(last: u64, one: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        return;
                    }
                    one(at);
                }
            });
        }
    });
}

/// One run with one fault. Says whether a client saw it.
pub(crate) fn run(seed: u64, said: &str, prepare: impl FnOnce(&Disk)) -> bool {
    crate::saying(said, || {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        prepare(&disk);
        blocking(async {
            let mut scenario = Scenario::new(seed, folder.path(), Some(disk.vfs()));
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

/// What goes wrong at a point, for how long.
pub(crate) fn plan(at: u64, fault: Fault) -> Plan {
    // A full disk has room again after a while; an I/O error is one.
    Plan { at, points: if fault == Fault::Full { 12 } else { 1 }, fault }
}
