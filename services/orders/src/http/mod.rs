//! The orders API: contract §2. One file per endpoint holds its request, its documentation, its handler and its tests.

mod asked;
mod cancel;
mod create;
mod delete;
mod edit;
mod errors;
mod get;
mod input;
mod list;
mod listing;
pub mod openapi;
pub mod schema;
mod set_status;
mod statuses;
mod timeline;
mod user_orders;

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use crate::usecase::UseCases;

/// Where the orders are.
pub const BASE: &str = "/api/v1/orders";

type State = axum::extract::State<Arc<UseCases>>;

/// A route, named so that a test can hold the table against the API document.
struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the handler knows its method; the test needs it in words")
    )]
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Arc<UseCases>>,
}

/// Every endpoint.
fn table() -> Vec<Route> {
    vec![
        create::route(),
        list::route(),
        statuses::route(),
        user_orders::route(),
        get::route(),
        edit::route(),
        delete::route(),
        set_status::route(),
        cancel::route(),
        timeline::route(),
    ]
}

/// The orders API. Give it to [`holdfast_service::http::finish`] together with what else is served.
pub fn router(cases: Arc<UseCases>) -> Router {
    let mut router = Router::new();
    for Route { path, handler, .. } in table() {
        if path == BASE {
            // `POST /api/v1/orders/` is how the contract's table reads; it is the same collection.
            router = router.route("/api/v1/orders/", handler.clone());
        }
        router = router.route(path, handler);
    }
    router.with_state(cases)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else_is() {
        let document = serde_json::to_value(openapi::openapi()).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut served: BTreeSet<String> =
            table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        served.extend(
            holdfast_service::operator::ROUTES.iter().map(|(method, path)| format!("{method} {path}")),
        );
        served.extend(
            ["/health/live", "/health/ready", "/health/audit", "/metrics", "/openapi.json"]
                .map(|p| format!("GET {p}")),
        );
        assert_eq!(documented, served);
    }
}
