//! What the disk does to SQLite: it fails, it is full, it writes half, the power goes, and bytes turn.
//!
//! Two hundred operations through the shipped code of both services, over a disk that fails on demand
//! (`crates/faultfs`). See docs/testing.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod book;
mod check;
mod corruption;
mod crash;
mod faults;
mod running;
mod scenario;
#[path = "../support/mod.rs"]
mod support;
mod world;

use holdfast_faultfs::Fault;

use corruption::Files;
use faults::{Recorded, Trouble};

/// Threads that a test looks at crashes and faults on.
const THREADS: usize = 2;
const SEED: u64 = 7;
/// Places that are damaged.
const DAMAGES: usize = 210;
/// Of the reads, one in so many fails: they are many, and change nothing.
const READS_APART: u64 = 7;

/// How many points are tried: all, or fewer while a test is written.
#[allow(clippy::disallowed_methods, reason = "chosen by whoever runs the test")]
fn limit(points: u64) -> u64 {
    std::env::var("HOLDFAST_TEST_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(points).min(points)
}

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
    let recorded = Recorded::new(SEED);
    let last = limit(recorded.points);
    let seen = faults::for_each(last, |at| recorded.run(Trouble::At(at, Fault::Refused)));
    println!("{last} I/O errors, of which somebody was told of {seen}");
}

/// The same when half of a write arrives, and when the disk is full for a while: in turn.
#[test]
fn invariant_6_short_writes_and_a_full_disk_leave_nothing_half_done() {
    let recorded = Recorded::new(SEED);
    let last = limit(recorded.points);
    let fault = |at: u64| if at.is_multiple_of(2) { Fault::Short } else { Fault::Full };
    let seen = faults::for_each(last, |at| recorded.run(Trouble::At(at, fault(at))));
    println!("{last} short writes and full disks, of which somebody was told of {seen}");
}

/// The same when a read fails.
#[test]
fn invariant_6_a_read_that_fails_is_never_an_answer() {
    let recorded = Recorded::new(SEED);
    let last = limit(recorded.reads);
    let seen = faults::for_each(last / READS_APART, |n| recorded.run(Trouble::Read(n * READS_APART)));
    println!("{} reads, of which somebody was told of {seen}", last / READS_APART);
}

/// Damage to a database is reported, or nobody is told anything else than the truth.
#[test]
fn a_damaged_database_is_never_served_silently() {
    let files = Files::new(SEED);
    files.an_address_that_turns_is_reported();
    let (reported, harmless) = files.hurt_databases(SEED, DAMAGES);
    println!("{reported} damages of databases were reported, {harmless} hit nothing that is read");
    assert!(reported > DAMAGES / 2);
}

/// The services as they run: while nothing can be written clients are told to come later and readiness says why, and when it
/// is over everything goes on by itself.
#[test]
fn running_services_say_that_the_disk_fails_and_go_on_when_it_works_again() {
    running::through_outages(&[Fault::Full, Fault::Refused, Fault::Short]);
}
