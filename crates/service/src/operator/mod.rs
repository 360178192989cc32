//! What an operator asks of a service: topics and their messages, how far its consumer group is, and its dead letters.
//!
//! Made once for all services. A service gives what it works with ([`Operator`]); only replaying and discarding is its own
//! ([`DeadLetters`]). Nothing here is for customers: messages hold what other customers wrote.

mod acts;
mod dead_letters;
mod errors;
mod gauges;
mod groups;
mod id;
mod letters;
mod message;
mod messages;
mod openapi;
mod page;
#[cfg(test)]
mod tests;
mod topics;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use holdfast_bus::Bus;
use holdfast_contract::Topic;
use holdfast_storage::{Group, Inbox};

use crate::auth::{Rule, STAFF_AND_SERVICES};

pub use self::dead_letters::{
    DeadLetterError, DeadLetters, Effect, Mode, Outcome, Stuck, queue_of, still_parked,
};
pub use self::gauges::spawn_gauges;
pub use self::id::DeadLetterId;
pub use self::openapi::openapi;

/// What the operator's calls work with.
#[derive(Clone)]
pub struct Operator {
    /// The service's name; the first part of its dead letters' ids.
    pub service: &'static str,
    /// Its consumer group.
    pub group: Group,
    /// What the group consumes.
    pub consumes: &'static [Topic],
    /// The bus that carries the topics.
    pub bus: Arc<dyn Bus>,
    /// How far the group is, and what it has parked.
    pub inbox: Arc<dyn Inbox>,
    /// What it does with that.
    pub dead_letters: Arc<dyn DeadLetters>,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("service", &self.service).finish_non_exhaustive()
    }
}

type State = axum::extract::State<Arc<Operator>>;

/// Method and path of every route, for tests that hold the API document against it.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", topics::LIST),
    ("GET", topics::ONE),
    ("GET", messages::PATH),
    ("GET", groups::PATH),
    ("GET", letters::LIST),
    ("GET", letters::ONE),
    ("POST", acts::REPLAY),
    ("POST", acts::DISCARD),
];

/// Who may call them.
pub const ACCESS: &[Rule] = &[
    Rule::new("GET", topics::LIST, STAFF_AND_SERVICES),
    Rule::new("GET", topics::ONE, STAFF_AND_SERVICES),
    Rule::new("GET", messages::PATH, STAFF_AND_SERVICES),
    Rule::new("GET", groups::PATH, STAFF_AND_SERVICES),
    Rule::new("GET", letters::LIST, STAFF_AND_SERVICES),
    Rule::new("GET", letters::ONE, STAFF_AND_SERVICES),
    Rule::new("POST", acts::REPLAY, STAFF_AND_SERVICES),
    Rule::new("POST", acts::DISCARD, STAFF_AND_SERVICES),
];

/// The routes, without the outer layer ([`crate::http::finish`]).
pub fn router(operator: Operator) -> Router {
    Router::new()
        .route(topics::LIST, get(topics::list))
        .route(topics::ONE, get(topics::one))
        .route(messages::PATH, get(messages::messages))
        .route(groups::PATH, get(groups::groups))
        .route(letters::LIST, get(letters::list))
        .route(letters::ONE, get(letters::one))
        .route(acts::REPLAY, post(acts::replay))
        .route(acts::DISCARD, post(acts::discard))
        .with_state(Arc::new(operator))
}
