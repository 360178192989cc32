//! The services as processes of their own, with a real Kafka between them and a real database each: SQLite files, or a
//! MongoDB replica set. What is told to clients must stay true whatever happens to the servers and the processes.
//!
//! A scenario runs on both deployments ([`on_both`]). Those that disturb no server share one; those that do have one to
//! themselves for as long as they run ([`servers`]). Every scenario ends with what [`deployment::Deployment::end`] checks:
//! all orders decided, every 2xx there, stock equal to what orders hold, nothing dead-lettered, and a clean audit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod delivery;
mod deployment;
mod live;
mod load;
mod outages;
mod scale_out;
mod seed_document_kafka;
mod servers;
mod store_outages;
mod traces;
mod wire;

/// Makes a test of each of these scenarios for each deployment.
macro_rules! on_both {
    ($($scenario:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $scenario() { super::$scenario($crate::deployment::Kind::Sqlite); })*
        }
        mod on_mongodb {
            $(#[test] fn $scenario() { super::$scenario($crate::deployment::Kind::Mongo); })*
        }
    };
}
pub(crate) use on_both;
