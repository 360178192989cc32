//! Driving the real binary from tests: start, talk, kill, stop, and look at the books.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod books;
mod client;
mod collector;
mod dice;
mod holdfast;
mod orders;
mod process;
mod told;

use std::time::{Duration, Instant};

pub(crate) use self::books::{audited, balance, held, kept, settled};
pub(crate) use self::client::{Answer, Client};
pub(crate) use self::collector::Collector;
pub(crate) use self::dice::Dice;
pub(crate) use self::holdfast::{Holdfast, audit, audit_as, command};
pub(crate) use self::orders::{all_orders, decided, order, place, product, until};
pub(crate) use self::process::{Ended, Running, run};
pub(crate) use self::told::{Said, SoFar, Told, new_order};

/// How long a test waits for something that has to happen before it gives up. Generous: it bounds a hang, nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `look` finds something; fails with what `look` saw last instead of hanging.
#[allow(clippy::disallowed_methods, reason = "bounds a hang, and rests between two looks")]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(saw) => assert!(started.elapsed() < PATIENCE, "never {what}: {saw}"),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
