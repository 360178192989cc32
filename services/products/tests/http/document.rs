//! The router and the API document agree.

use axum::http::Method;
use holdfast_products::http::openapi;
use serde_json::Value;

use crate::support::Shop;

#[tokio::test]
async fn what_is_documented_is_served_and_nothing_else() {
    let shop = Shop::open();
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.keys().filter(|p| p.starts_with("/api/")).count(), 16);
    for (path, item) in paths.iter().filter(|(p, _)| p.starts_with("/api/")) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let operation = &item[method.as_str().to_lowercase()];
            let called = path.replace("dead-letters/{id}", "dead-letters/products-1");
            let called = called.replace("{id}", &"0".repeat(24)).replace("{name}", "order.created");
            let response = shop.client.request(method.clone(), &called).send().await;
            assert_eq!(operation.is_null(), response.status == 405, "{method} {path}");
            assert_ne!(response.code(), "ROUTE_NOT_FOUND", "{method} {path}");
            if operation.is_object() {
                let status = response.status.as_str();
                assert!(operation["responses"][status].is_object(), "{method} {path} answers {status}");
            }
        }
    }
}

#[test]
fn the_document_is_complete() {
    let document = serde_json::to_value(openapi()).unwrap();
    for path in ["/health/live", "/health/ready", "/health/audit", "/metrics", "/openapi.json"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    references(&document, &document);
}

/// Every `$ref` leads somewhere.
fn references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                let pointer = target.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            fields.values().for_each(|v| references(v, document));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, document)),
        _ => {}
    }
}
