//! Real servers for tests: an Apache Kafka broker ([`Kafka`]) and a MongoDB replica set ([`Mongo`]), started natively on
//! free loopback ports and in temporary folders, and things that can happen to them: killed, stopped, started again,
//! paused, emptied, a primary that steps down, commands that fail.
//!
//! Where the programs come from: `tools/servers/fetch` puts them into a cache folder ([`installed`]).
//!
//! - A server dies with the process that started it, however that ends, SIGKILL too, and its folder goes with it.
//! - What disturbs a server takes `&mut self`. So a test cannot disturb one that it shares ([`shared`]).
//! - Nothing here keeps a runtime: every call works on whatever tokio runtime it is made, also on another one than the
//!   call before.

mod error;
mod fault;
pub mod installed;
mod kafka;
mod mongo;
mod ports;
mod process;
pub mod shared;
mod tls;
mod tool;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use error::ServerError;
pub use fault::Fault;
pub use kafka::{Kafka, KafkaOptions, Listener};
pub use mongo::Mongo;
pub use shared::or_skip;
pub use tool::{Tool, ToolOutput};

/// A name that nothing else has, in this process or another: for prefixes of topics and groups, and for databases.
/// `[a-z0-9_-]` and at most 63 bytes, if `what` is so and has at most 32 bytes.
#[must_use]
pub fn unique_name(what: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    #[expect(clippy::disallowed_methods, reason = "part of a name, not a time that anything depends on")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_micros());
    format!("{what}-{:x}-{now:x}-{number:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::unique_name;

    #[test]
    fn names_are_unique_and_plain() {
        let names = [unique_name("orders"), unique_name("orders")];
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.len() <= 63 && name.starts_with("orders-"), "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
        }
    }
}
