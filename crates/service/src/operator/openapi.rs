//! The operator's part of each service's API document.

use utoipa::OpenApi;

use super::{acts, groups, letters, messages, topics};

#[derive(OpenApi)]
#[openapi(
    tags((name = "operator", description = "Topics, consumer groups and dead letters; for admins")),
    paths(
        topics::list,
        topics::one,
        messages::messages,
        groups::groups,
        letters::list,
        letters::one,
        acts::replay,
        acts::discard,
    )
)]
struct Document;

/// The part, to be merged into a service's document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::operator::ROUTES;

    #[test]
    fn every_route_is_documented_and_nothing_else_is() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
        let served = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(documented, served);
    }
}
