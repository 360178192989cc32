//! Who may call which route: the one table.

use holdfast_service::auth::{Rule, STAFF, STAFF_AND_SERVICES};
use holdfast_service::http::{Role, health};
use holdfast_service::operator;

/// The catalogue is for everybody with a token. Holds and movements name other people's orders.
const PRODUCTS: &[Rule] = &[
    Rule::new("GET", "/api/v1/products", &Role::ALL),
    Rule::new("GET", "/api/v1/products/", &Role::ALL),
    Rule::new("GET", "/api/v1/products/search", &Role::ALL),
    Rule::new("GET", "/api/v1/products/{id}", &Role::ALL),
    Rule::new("POST", "/api/v1/products", STAFF),
    Rule::new("POST", "/api/v1/products/", STAFF),
    Rule::new("PUT", "/api/v1/products/{id}", STAFF),
    Rule::new("DELETE", "/api/v1/products/{id}", STAFF),
    Rule::new("POST", "/api/v1/products/{id}/adjust", STAFF),
    Rule::new("GET", "/api/v1/products/{id}/holds", STAFF_AND_SERVICES),
    Rule::new("GET", "/api/v1/products/{id}/movements", STAFF_AND_SERVICES),
    Rule::new("POST", "/api/v1/products/{id}/reserve", STAFF_AND_SERVICES),
    Rule::new("POST", "/api/v1/products/{id}/release", STAFF_AND_SERVICES),
];

/// All routes of the service.
pub const ACCESS: &[&[Rule]] = &[PRODUCTS, operator::ACCESS, health::ACCESS];
