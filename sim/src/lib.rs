//! Drives the shipped services from one seed through faults, and checks what must always hold after every step.
//!
//! [`memory`] keeps in memory what the services keep in a database: a third back-end behind the same traits and suites.

mod broker;
mod dice;
mod guard;
pub mod memory;
mod minimise;
mod oracle;
pub mod plan;
mod schedule;
mod search;
mod trace;
mod world;

pub use dice::Dice;
pub use minimise::minimise;
pub use oracle::Violation;
pub use search::{Found, Search, attempt};
pub use world::{Counts, Outcome, run};
