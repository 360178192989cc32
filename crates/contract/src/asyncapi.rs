//! The AsyncAPI document of the topics, generated from the types that the services use (feature `schema`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::event::{Body, Head};
use crate::topic::{DEFAULT_PARTITIONS, Topic};

/// One event type.
pub(crate) struct EventSchema {
    event_type: &'static str,
    topic: Topic,
    name: String,
    own: RefOr<Schema>,
    parts: Vec<(String, RefOr<Schema>)>,
}

impl EventSchema {
    pub(crate) fn of<T: ToSchema>(event_type: &'static str, topic: Topic) -> Self {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        Self { event_type, topic, name: T::name().into_owned(), own: T::schema(), parts }
    }
}

/// The document, as JSON.
pub fn document() -> Value {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let mut head_parts = Vec::new();
    Head::schemas(&mut head_parts);
    schemas.insert("Head".to_owned(), json!(Head::schema()));
    let mut messages = Map::new();
    let mut of_topic: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for event in Body::schemas() {
        for (name, schema) in head_parts.iter().cloned().chain(event.parts) {
            schemas.insert(name, json!(schema));
        }
        schemas.insert(event.name.clone(), json!(event.own));
        messages.insert(event.event_type.to_owned(), message(event.event_type, &event.name));
        of_topic.entry(event.topic.name()).or_default().push(event.event_type);
    }
    messages.insert("ORDER_LIVE".to_owned(), live_message());
    of_topic.insert(Topic::OrderLive.name(), vec!["ORDER_LIVE"]);
    for &topic in Topic::ALL {
        if let Some(dlq) = topic.dlq() {
            let copied = of_topic.get(topic.name()).cloned().unwrap_or_default();
            of_topic.insert(dlq.name(), copied);
        }
    }
    let channels: Map<String, Value> =
        of_topic.iter().map(|(topic, events)| ((*topic).to_owned(), channel(topic, events))).collect();
    let operations: Map<String, Value> = of_topic.keys().flat_map(|topic| operations(topic)).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the Orders and the Products service say to each other. Payloads are JSON objects; \
                readers ignore fields and event types that they do not know.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message(event_type: &str, schema: &str) -> Value {
    json!({
        "name": event_type,
        "headers": {
            "type": "object",
            "description": "CloudEvents 1.0 in binary mode, and W3C trace context.",
            "properties": {
                "ce_specversion": { "const": "1.0" },
                "ce_id": { "type": "string", "description": "The payload's eventId." },
                "ce_type": { "const": event_type },
                "ce_source": { "type": "string" },
                "ce_time": { "type": "string", "format": "date-time" },
                "traceparent": { "type": "string" },
            },
        },
        "payload": { "allOf": [
            { "$ref": "#/components/schemas/Head" },
            { "$ref": format!("#/components/schemas/{schema}") },
        ] },
    })
}

fn live_message() -> Value {
    json!({
        "name": "ORDER_LIVE",
        "summary": "A snapshot of an order after a change: what live clients are sent.",
        "payload": {
            "type": "object",
            "required": ["event", "order", "message", "timestamp"],
            "properties": {
                "event": { "enum": ["order:created", "order:status_changed", "order:cancelled", "order:completed",
                                    "order:updated"] },
                "order": { "type": "object", "description": "As the HTTP API answers it." },
                "message": { "type": "string" },
                "timestamp": { "type": "string", "format": "date-time" },
            },
        },
    })
}

fn channel(topic: &str, events: &[&str]) -> Value {
    let messages: Map<String, Value> = events
        .iter()
        .map(|event| ((*event).to_owned(), json!({ "$ref": format!("#/components/messages/{event}") })))
        .collect();
    let key = match topic {
        _ if topic == Topic::StockChanged.name() => "product id",
        _ if topic == Topic::InventoryAudit.name() => "one key, so that they stay in order",
        _ => "order id",
    };
    json!({
        "address": topic,
        "description": format!("Keyed by {key}; {DEFAULT_PARTITIONS} partitions by default (murmur2, as Kafka's clients choose)."),
        "messages": messages,
    })
}

/// Who sends to a topic, and which of our groups receives from it.
fn operations(topic: &str) -> Vec<(String, Value)> {
    let listed = |topics: &[Topic]| topics.iter().any(|t| t.name() == topic);
    let operation = |service: &str, action: &str| {
        let name = format!("{service}.{action}.{topic}");
        (name, json!({ "action": action, "channel": { "$ref": format!("#/channels/{topic}") } }))
    };
    let mut all = Vec::new();
    for (service, sends, receives) in [
        ("orders", Topic::FROM_ORDERS, Topic::TO_ORDERS),
        ("products", Topic::FROM_PRODUCTS, Topic::TO_PRODUCTS),
    ] {
        if listed(sends) {
            all.push(operation(service, "send"));
        }
        if listed(receives) {
            all.push(operation(service, "receive"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_every_reference_is_there() {
        let document = document();
        for &topic in Topic::ALL {
            assert!(document["channels"].get(topic.name()).is_some(), "{topic}");
        }
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            // Slashes separate the steps; no name of ours has one.
            let found = document.pointer(reference.trim_start_matches('#'));
            assert!(found.is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(to)) => into.push(to.clone()),
                _ => collect(value, into),
            }),
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
}
