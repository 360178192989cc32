//! Clients that mean harm, or are broken as if they did, against the real binary: slow ones, greedy ones, nonsense, and
//! crowds of each.
//!
//! Every attack ends the same way ([`target::Target`]): an honest client was served all the while, the process never had
//! more memory than a figure that follows from its limits, and nothing of the attack is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod greedy;
mod live;
mod nonsense;
mod target;
