//! Servers that all tests of a process share, and the rule for machines that have none.
//!
//! A test that lacks its server says `SKIPPED` and is over. With `HOLDFAST_REQUIRE_SERVERS=1` it fails instead. A server
//! that is there and does not start is always a failure.

use tokio::sync::OnceCell;

use crate::{Kafka, Mongo, ServerError};

/// The broker of this process, started at the first call. Tests keep apart by a prefix of their own
/// ([`unique_name`](crate::unique_name)) for topics and groups.
///
/// # Panics
/// See [`or_skip`].
pub async fn kafka() -> Option<&'static Kafka> {
    static KAFKA: OnceCell<Option<Kafka>> = OnceCell::const_new();
    let shared = KAFKA.get_or_init(async || or_skip(Kafka::start().await)).await.as_ref();
    if shared.is_none() {
        say_skipped("Kafka");
    }
    shared
}

/// The replica set (of one node) of this process, started at the first call. Tests keep apart by a database of their own
/// ([`unique_name`](crate::unique_name)).
///
/// # Panics
/// See [`or_skip`].
pub async fn mongo() -> Option<&'static Mongo> {
    static MONGO: OnceCell<Option<Mongo>> = OnceCell::const_new();
    let shared = MONGO.get_or_init(async || or_skip(Mongo::start().await)).await.as_ref();
    if shared.is_none() {
        say_skipped("MongoDB");
    }
    shared
}

/// What was started; `None`, after saying so, if it is not on this machine.
///
/// # Panics
/// If the server is here and failed, or if it is not here and `HOLDFAST_REQUIRE_SERVERS` is `1`.
#[expect(clippy::panic, reason = "for tests, which fail by panicking")]
pub fn or_skip<T>(started: Result<T, ServerError>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(ServerError::Missing { what, remedy }) => {
            let required = std::env::var_os("HOLDFAST_REQUIRE_SERVERS").is_some_and(|value| value == "1");
            assert!(!required, "{what} is not here, and HOLDFAST_REQUIRE_SERVERS is set: {remedy}");
            say_skipped(&format!("{what} ({remedy})"));
            None
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            panic!("{text}")
        }
    }
}

#[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
fn say_skipped(what: &str) {
    let thread = std::thread::current();
    eprintln!("SKIPPED: {}: no {what}", thread.name().unwrap_or("a test"));
}
