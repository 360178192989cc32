//! One message, encoded once for everybody.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use holdfast_bus::TailPosition;
use holdfast_contract::event::{Body, Event};
use holdfast_contract::{ProductId, Timestamp, Topic};
use holdfast_storage::{Record, Seq, TopicPartition};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A message made from a record.
pub(super) struct Frame {
    event: Box<str>,
    place: TopicPartition,
    offset: u64,
    key: Bytes,
    json: Box<RawValue>,
    /// Where in `json` the position begins and ends that follows the `~` of `seq`.
    position: (usize, usize),
    /// Whose order it is, read when a filter first asks.
    user: OnceLock<Option<Box<str>>>,
}

/// The payload of a live record, as the Orders service writes it.
#[derive(Deserialize)]
struct Told<'p> {
    #[serde(borrow)]
    event: Cow<'p, str>,
    #[serde(borrow)]
    order: &'p RawValue,
    #[serde(default)]
    deleted: bool,
    #[serde(borrow)]
    message: &'p RawValue,
    #[serde(borrow)]
    timestamp: &'p RawValue,
}

#[derive(Serialize)]
struct OrderMessage<'p> {
    event: &'p str,
    seq: &'p str,
    order: &'p RawValue,
    /// Whether clients have to take the order off their lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    message: &'p RawValue,
    timestamp: &'p RawValue,
}

#[derive(Serialize)]
struct StockMessage<'p> {
    event: &'p str,
    seq: &'p str,
    product: Product<'p>,
    message: String,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Product<'p> {
    #[serde(rename = "_id")]
    id: ProductId,
    name: &'p str,
    stock: i64,
    reserved: i64,
    on_hand: i64,
    in_stock: bool,
    version: u64,
}

impl Frame {
    /// Makes the message of `record`; `after` is the position that it brings a client to. `None` for a record that has
    /// none to tell: another writer's, or a newer one's.
    pub(super) fn new(record: &Record, after: &TailPosition) -> Option<Self> {
        let place = record.topic_partition();
        let seq = format!("{place}/{}~{after}", record.offset);
        let (event, json) = match record.topic {
            Topic::OrderLive => order(&record.payload, &seq)?,
            Topic::StockChanged => stock(&record.payload, &seq)?,
            _ => return None,
        };
        // `seq` follows `event` and holds nothing that JSON escapes, so its first occurrence is its value.
        let start = json.get().find(&seq)? + seq.find('~')? + 1;
        let position = (start, start + (seq.len() - seq.find('~')? - 1));
        let (offset, key) = (record.offset, record.key.clone());
        Some(Self { event, place, offset, key, json, position, user: OnceLock::new() })
    }

    /// The same message for a client that has been told something else before it.
    pub(super) fn with_position(&self, after: &TailPosition) -> Self {
        let (start, end) = self.position;
        let text = self.json.get();
        let own = after.to_string();
        let json = format!("{}{own}{}", &text[..start], &text[end..]);
        Self {
            event: self.event.clone(),
            place: self.place,
            offset: self.offset,
            key: self.key.clone(),
            // One text without escapes was replaced by another: still JSON.
            json: RawValue::from_string(json).unwrap_or_else(|_| self.json.clone()),
            position: (start, start + own.len()),
            user: OnceLock::new(),
        }
    }

    pub(super) fn event(&self) -> &str {
        &self.event
    }

    pub(super) fn json(&self) -> &RawValue {
        &self.json
    }

    pub(super) fn place(&self) -> TopicPartition {
        self.place
    }

    pub(super) fn key(&self) -> &Bytes {
        &self.key
    }

    /// The position that it brings a client to.
    pub(super) fn position(&self) -> &str {
        &self.json.get()[self.position.0..self.position.1]
    }

    /// Moves `position` after it; whether it was not before it already.
    pub(super) fn step(&self, position: &mut TailPosition) -> bool {
        let empty = Bytes::new();
        let TopicPartition { topic, partition } = self.place;
        position.step(&Record {
            seq: Seq(0),
            topic,
            partition,
            offset: self.offset,
            key: empty.clone(),
            payload: empty,
            at: Timestamp::default(),
            traceparent: None,
        })
    }

    /// Whose order it is about; `None` for anything else.
    pub(super) fn user_id(&self) -> Option<&str> {
        #[derive(Deserialize)]
        struct Message<'p> {
            #[serde(borrow)]
            order: Owned<'p>,
        }
        #[derive(Deserialize)]
        struct Owned<'p> {
            #[serde(borrow, rename = "userId")]
            user_id: Cow<'p, str>,
        }
        let read = || serde_json::from_str::<Message<'_>>(self.json.get()).ok();
        self.user.get_or_init(|| read().map(|message| message.order.user_id.as_ref().into())).as_deref()
    }

    /// What it costs to keep, in bytes.
    pub(super) fn weight(&self) -> usize {
        std::mem::size_of::<Self>() + self.event.len() + self.key.len() + self.json.get().len()
    }
}

fn order(payload: &[u8], seq: &str) -> Option<(Box<str>, Box<RawValue>)> {
    let told: Told<'_> = match serde_json::from_slice(payload) {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(seq, %error, "passed over a live record that is not readable");
            return None;
        }
    };
    // Names of the protocols ("connect", "error", …) must not come from the log.
    if !told.event.starts_with("order:") {
        tracing::debug!(seq, event = %told.event, "passed over a live record of an unknown kind");
        return None;
    }
    let Told { ref event, order, deleted, message, timestamp } = told;
    let json = to_raw_value(&OrderMessage { event, seq, order, deleted, message, timestamp }).ok()?;
    Some((event.as_ref().into(), json))
}

fn stock(payload: &[u8], seq: &str) -> Option<(Box<str>, Box<RawValue>)> {
    const EVENT: &str = "stock:changed";
    let (head, changed) = match Event::decode(Topic::StockChanged, payload) {
        Ok(Some(Event { head, body: Body::StockChanged(changed) })) => (head, changed),
        Ok(_) => return None,
        Err(error) => {
            tracing::warn!(seq, %error, "passed over a stock record that is not readable");
            return None;
        }
    };
    let name = changed.product_name.as_str();
    let balances = changed.balances;
    let product = Product {
        id: changed.product_id,
        name,
        stock: balances.stock,
        reserved: balances.reserved,
        on_hand: balances.on_hand,
        in_stock: balances.stock > 0,
        version: changed.version,
    };
    let message = format!("{name}: {} available, {} reserved", balances.stock, balances.reserved);
    let json = to_raw_value(&StockMessage { event: EVENT, seq, product, message, timestamp: head.timestamp })
        .ok()?;
    Some((EVENT.into(), json))
}

/// A message to one client.
#[derive(Clone)]
pub(super) enum Message {
    /// About a change.
    Frame(Arc<Frame>),
    /// About the connection.
    Notice(Notice),
}

impl Message {
    pub(super) fn event(&self) -> &str {
        match self {
            Self::Frame(frame) => frame.event(),
            Self::Notice(notice) => notice.event,
        }
    }

    pub(super) fn json(&self) -> &RawValue {
        match self {
            Self::Frame(frame) => frame.json(),
            Self::Notice(notice) => &notice.json,
        }
    }

    /// The position that it brings a client to, if it says one.
    pub(super) fn position(&self) -> Option<&str> {
        match self {
            Self::Frame(frame) => Some(frame.position()),
            Self::Notice(notice) => notice.position.as_deref(),
        }
    }
}

/// A message that is about the connection, not about a change.
#[derive(Clone)]
pub(super) struct Notice {
    event: &'static str,
    position: Option<Box<str>>,
    json: Box<RawValue>,
}

/// Why changes were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReloadReason {
    /// More was missed than is kept, or than is sent again.
    TooFarBehind,
    /// The `seq` is none of ours.
    UnknownPosition,
    /// The client did not take its messages in time; the connection ends.
    SlowClient,
    /// A message is too large for the polling transport.
    TooLarge,
}

#[derive(Serialize)]
struct Fields<'n, X: Serialize> {
    event: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<String>,
    #[serde(flatten)]
    extra: X,
    message: &'n str,
    timestamp: Timestamp,
}

impl Notice {
    fn new<X: Serialize>(
        event: &'static str,
        position: Option<&str>,
        extra: X,
        message: &str,
        timestamp: Timestamp,
    ) -> Self {
        let seq = position.map(|position| format!("~{position}"));
        let json = to_raw_value(&Fields { event, seq, extra, message, timestamp });
        // Writing plain fields to memory cannot fail.
        let json = json.unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { event, position: position.map(Into::into), json }
    }

    pub(super) fn ready(position: &str, resumed: bool, at: Timestamp) -> Self {
        #[derive(Serialize)]
        struct Ready {
            resumed: bool,
        }
        let message = if resumed { "Resumed" } else { "Live from now on" };
        Self::new("ready", Some(position), Ready { resumed }, message, at)
    }

    pub(super) fn reload(position: Option<&str>, reason: ReloadReason, at: Timestamp) -> Self {
        #[derive(Serialize)]
        struct Reload {
            reason: ReloadReason,
        }
        let message = match reason {
            ReloadReason::TooFarBehind => "Too much was missed to send it again: reload",
            ReloadReason::UnknownPosition => "This seq is not known here: reload",
            ReloadReason::SlowClient => "Messages were not taken in time: reload",
            ReloadReason::TooLarge => "A message is too large for this transport: reload",
        };
        Self::new("reload", position, Reload { reason }, message, at)
    }

    pub(super) fn position(position: &str, at: Timestamp) -> Self {
        #[derive(Serialize)]
        struct Nothing {}
        Self::new("position", Some(position), Nothing {}, "Nothing for you up to here", at)
    }

    pub(super) fn shutdown(position: Option<&str>, at: Timestamp) -> Self {
        #[derive(Serialize)]
        struct Shutdown {
            reason: &'static str,
        }
        let reason = Shutdown { reason: "server_shutdown" };
        Self::new("server:shutdown", position, reason, "The server is shutting down: connect again", at)
    }

    pub(super) fn error(code: holdfast_contract::ErrorCode, message: &str, at: Timestamp) -> Self {
        #[derive(Serialize)]
        struct Code {
            code: holdfast_contract::ErrorCode,
        }
        Self::new("error", None, Code { code }, message, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_order_is_marked_and_no_other() {
        let payload = |deleted: &str| {
            format!(
                r#"{{"event":"order:updated","order":{{"_id":"x"}}{deleted},"message":"m","timestamp":"t"}}"#
            )
        };
        let told = |deleted: &str| {
            let (_, json) = order(payload(deleted).as_bytes(), "s").unwrap();
            serde_json::from_str::<serde_json::Value>(json.get()).unwrap()
        };
        assert_eq!(told(r#","deleted":true"#)["deleted"], true);
        assert_eq!(told("").get("deleted"), None);
    }
}
