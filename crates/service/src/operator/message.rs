//! How a message looks in answers: whatever its bytes are, they are shown.

use std::collections::BTreeMap;

use holdfast_contract::{Timestamp, Topic};
use holdfast_storage::Record;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::topics::publisher;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageEncoding)]
pub(super) enum Encoding {
    /// They are JSON, and shown as it.
    Json,
    /// They are UTF-8, and shown as a text.
    Text,
    /// They are neither; shown in base64.
    Base64,
}

/// A message's payload.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessagePayload)]
pub(super) struct PayloadBody {
    /// What it says, as `payloadEncoding` tells.
    #[schema(value_type = serde_json::Value)]
    payload: Box<RawValue>,
    /// How the payload is shown.
    payload_encoding: Encoding,
    /// Headers as the bus carries them: `ce_*` (CloudEvents 1.0, binary mode; derived from the payload, absent where it is
    /// no event) and `traceparent`.
    headers: BTreeMap<&'static str, String>,
}

/// Where a message is, and what it is about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessagePlace)]
pub(super) struct PlaceBody {
    /// Its topic.
    #[schema(example = "inventory.reserve")]
    topic: &'static str,
    /// Its partition.
    partition: u16,
    /// Its place in the partition.
    offset: u64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Its key: the order id, or the product id on `stock.changed`.
    key: String,
    /// How the key is shown: `text` or `base64`.
    key_encoding: Encoding,
    /// What kind of event it says it is.
    #[schema(required, example = "STOCK_RESERVE_REQUEST")]
    event_type: Option<String>,
}

/// A message on the bus.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageBody {
    #[serde(flatten)]
    place: PlaceBody,
    #[serde(flatten)]
    payload: PayloadBody,
}

/// What an event says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    event_id: Option<String>,
    event_type: Option<String>,
}

impl Named {
    fn of(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }
}

impl From<&Record> for PlaceBody {
    fn from(record: &Record) -> Self {
        let (key, key_encoding) = text(&record.key);
        Self {
            topic: record.topic.name(),
            partition: record.partition.0,
            offset: record.offset,
            timestamp: record.at,
            key,
            key_encoding,
            event_type: Named::of(&record.payload).event_type,
        }
    }
}

impl From<&Record> for PayloadBody {
    fn from(record: &Record) -> Self {
        let (payload, payload_encoding) = shown(&record.payload);
        Self { payload, payload_encoding, headers: headers(record) }
    }
}

impl From<&Record> for MessageBody {
    fn from(record: &Record) -> Self {
        Self { place: record.into(), payload: record.into() }
    }
}

/// As the relay makes them.
fn headers(record: &Record) -> BTreeMap<&'static str, String> {
    let mut headers = BTreeMap::new();
    if let Named { event_id: Some(id), event_type: Some(kind) } = Named::of(&record.payload) {
        headers.insert("ce_id", id);
        headers.insert("ce_type", kind);
        headers.insert("ce_source", source(record.topic).to_owned());
        headers.insert("ce_time", record.at.to_string());
        headers.insert("ce_specversion", "1.0".to_owned());
    }
    if let Some(traceparent) = &record.traceparent {
        headers.insert("traceparent", String::from_utf8_lossy(traceparent).into_owned());
    }
    headers
}

fn source(topic: Topic) -> &'static str {
    if publisher(topic) == "orders" { "/holdfast/orders" } else { "/holdfast/products" }
}

/// JSON goes out byte by byte as it came, so that no number changes.
fn shown(bytes: &[u8]) -> (Box<RawValue>, Encoding) {
    if let Some(json) = std::str::from_utf8(bytes).ok().and_then(|t| RawValue::from_string(t.to_owned()).ok())
    {
        return (json, Encoding::Json);
    }
    let (text, encoding) = text(bytes);
    // A string can always be written.
    (serde_json::value::to_raw_value(&text).unwrap_or_default(), encoding)
}

fn text(bytes: &[u8]) -> (String, Encoding) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), Encoding::Text),
        Err(_) => (base64(bytes), Encoding::Base64),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * index) & 63) as usize]);
            out.push(if index <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use holdfast_contract::Partition;
    use holdfast_storage::Seq;
    use serde_json::{Value, json};

    use super::*;

    fn body(payload: &[u8]) -> Value {
        let record = Record {
            seq: Seq(0),
            topic: Topic::InventoryReserve,
            partition: Partition(1),
            offset: 7,
            key: Bytes::from_static(b"k"),
            payload: Bytes::copy_from_slice(payload),
            at: Timestamp::default(),
            traceparent: Some(Bytes::from_static(b"00-aa-bb-01")),
        };
        serde_json::to_value(MessageBody::from(&record)).unwrap()
    }

    #[test]
    fn whatever_the_bytes_are_they_are_shown() {
        let event = body(br#"{"eventId":"e-1","eventType":"X","n":1.50}"#);
        assert_eq!((&event["payload"]["n"], &event["payloadEncoding"]), (&json!(1.50), &json!("json")));
        assert_eq!(
            (&event["eventType"], &event["offset"], &event["key"]),
            (&json!("X"), &json!(7), &json!("k"))
        );
        assert_eq!(event["headers"]["ce_id"], "e-1");
        assert_eq!(event["headers"]["ce_source"], "/holdfast/orders");
        assert_eq!(event["headers"]["traceparent"], "00-aa-bb-01");
        for (bytes, shown, encoding) in [
            (&b"{broken"[..], "{broken", "text"),
            (b"", "", "text"),
            (b"\xff\xfe\x00", "//4A", "base64"),
            (b"\xff", "/w==", "base64"),
        ] {
            let message = body(bytes);
            assert_eq!((&message["payload"], &message["payloadEncoding"]), (&json!(shown), &json!(encoding)));
            assert_eq!(message["headers"], json!({"traceparent": "00-aa-bb-01"}));
            assert_eq!(message["eventType"], Value::Null);
        }
    }
}
