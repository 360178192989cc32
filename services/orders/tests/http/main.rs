//! The orders API over a real store: the router in process, a temporary database, and a stand-in for Products that
//! answers over the embedded bus.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod answers;
mod audit;
mod bad_input;
mod changes;
mod idempotency;
mod lists;
mod open_orders;
mod operator;
mod overlap;
mod recovery;
mod status;
mod support;
mod timeline;
