//! What the disk does to SQLite: it fails, it is full, it writes half, the power goes, and bytes turn.
//!
//! Two hundred operations through the shipped code of both services, over a disk that fails on demand
//! (`crates/faultfs`). See docs/testing.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod book;
mod check;
mod crash;
mod faults;
mod scenario;
#[path = "../support/mod.rs"]
mod support;
mod world;

use holdfast_faultfs::Fault;

/// Threads that a test looks at crashes and faults on.
const THREADS: usize = 2;
const SEED: u64 = 7;

/// Runs a future on a runtime of its own.
fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Names what is tested when it fails.
fn saying<T>(what: &str, test: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).unwrap_or_else(|panic| {
        println!("FAILED: {what}");
        std::panic::resume_unwind(panic)
    })
}

/// Invariants 3 and 6 when the power goes, at every point at which SQLite asks the disk for something.
#[test]
fn invariant_3_power_lost_at_every_write_loses_nothing_acknowledged() {
    let points = crash::at_every_point(SEED);
    println!("looked at {points} crashes");
}

/// Invariants 3 and 6 when a write, a flush, a truncation or a deletion fails, at every point.
#[test]
fn invariant_6_an_io_error_at_every_write_leaves_nothing_half_done() {
    let (points, _) = faults::counted(SEED);
    faults::for_each(points, |at| {
        faults::run(SEED, &format!("I/O error at point {at}"), |disk| disk.plan(faults::plan(at, Fault::Refused)));
    });
    println!("{points} points");
}
