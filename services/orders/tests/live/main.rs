//! The live gateway over real sockets, with journals in SQLite behind the embedded bus and nothing else of the service.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guarded;
mod plain;
mod resume;
mod slow;
mod socket_io;
mod support;
