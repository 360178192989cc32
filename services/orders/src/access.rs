//! Who may call which route: the one table. Whether an order is the caller's own, the handlers and use cases decide; one
//! that is not answers like one that does not exist.

use holdfast_service::auth::{ADMINS, PEOPLE, Rule, STAFF};
use holdfast_service::http::{Role, health};
use holdfast_service::operator;

const ORDERS: &[Rule] = &[
    Rule::new("POST", "/api/v1/orders", PEOPLE),
    Rule::new("GET", "/api/v1/orders", PEOPLE),
    Rule::new("POST", "/api/v1/orders/", PEOPLE),
    Rule::new("GET", "/api/v1/orders/", PEOPLE),
    Rule::new("GET", "/api/v1/orders/statuses", &Role::ALL),
    Rule::new("GET", "/api/v1/orders/user/{userId}", PEOPLE),
    Rule::new("GET", "/api/v1/orders/{id}", PEOPLE),
    Rule::new("PUT", "/api/v1/orders/{id}", PEOPLE),
    Rule::new("DELETE", "/api/v1/orders/{id}", ADMINS),
    Rule::new("PATCH", "/api/v1/orders/{id}/status", STAFF),
    Rule::new("PATCH", "/api/v1/orders/{id}/cancel", PEOPLE),
    Rule::new("GET", "/api/v1/orders/{id}/timeline", PEOPLE),
];

/// Live connections ask for the token themselves, in their first message: a browser cannot send it with the handshake.
const LIVE: &[Rule] =
    &[Rule::public("GET", "/ws"), Rule::public("*", "/socket.io"), Rule::public("*", "/socket.io/")];

/// All routes of the service.
pub const ACCESS: &[&[Rule]] = &[ORDERS, LIVE, operator::ACCESS, health::ACCESS];
