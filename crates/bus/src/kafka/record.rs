//! Records as Kafka carries them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use holdfast_contract::{Partition, Timestamp, Topic};
use holdfast_storage::{Incarnation, OutboxId, Record, Seq};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// The header that names a record in its outbox: what was published twice is recognised by it.
pub const OUTBOX_HEADER: &str = "holdfast-outbox";
/// The header that says when it happened, in CloudEvents' terms. The time of the message itself is that of its publication.
pub(super) const TIME_HEADER: &str = "ce_time";
/// The header with the trace context.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// Names a record among those of all outboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The outbox.
    pub outbox: Incarnation,
    /// The record in it.
    pub id: OutboxId,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.outbox.0, self.id)
    }
}

impl FromStr for Stamp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.').map(|part| u64::from_str_radix(part, 16));
        let mut number = || parts.next().and_then(Result::ok).ok_or(());
        let stamp =
            Self { outbox: Incarnation(number()?), id: OutboxId { scope: number()?, number: number()? } };
        if parts.next().is_some() { Err(()) } else { Ok(stamp) }
    }
}

/// A record with what else its headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The record.
    pub record: Record,
    /// Its name in its outbox; `None` if a foreign writer wrote it.
    pub stamp: Option<Stamp>,
}

impl Scanned {
    /// Takes a message of `topic` over. What a foreign writer left out is empty.
    pub(super) fn new(topic: Topic, message: &BorrowedMessage<'_>) -> Self {
        let key = message.key().unwrap_or_default();
        let payload = message.payload().unwrap_or_default();
        let (mut stamp, mut traceparent, mut at) = (None, None, None);
        let text = |value| std::str::from_utf8(value).ok();
        if let Some(headers) = message.headers() {
            for header in headers.iter() {
                match (header.key, header.value) {
                    (OUTBOX_HEADER, Some(value)) => {
                        stamp = text(value).and_then(|text| text.parse().ok());
                    }
                    (TIME_HEADER, Some(value)) => at = text(value).and_then(|text| text.parse().ok()),
                    (TRACEPARENT_HEADER, Some(value)) => traceparent = Some(value),
                    _ => {}
                }
            }
        }
        // One allocation holds all three.
        let mut all = Vec::with_capacity(key.len() + payload.len() + traceparent.map_or(0, <[u8]>::len));
        all.extend_from_slice(key);
        all.extend_from_slice(payload);
        all.extend_from_slice(traceparent.unwrap_or_default());
        let mut rest = Bytes::from(all);
        let key = rest.split_to(key.len());
        let payload = rest.split_to(payload.len());
        let record = Record {
            seq: Seq(0),
            topic,
            partition: Partition(u16::try_from(message.partition()).unwrap_or(u16::MAX)),
            offset: u64::try_from(message.offset()).unwrap_or(0),
            key,
            payload,
            at: at.unwrap_or_else(|| Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0))),
            traceparent: traceparent.map(|_| rest),
        };
        Self { record, stamp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_or_refused() {
        let stamp = Stamp { outbox: Incarnation(u64::MAX), id: OutboxId { scope: 0xabc, number: 1 << 40 } };
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        for garbled in ["", "1", "1.2", "1.2.3.4", "x.2.3", "1..3", "1.2.-3"] {
            assert_eq!(garbled.parse::<Stamp>(), Err(()), "{garbled}");
        }
    }
}
