//! The topics that the services speak over, and which partition a key belongs to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A partition of a topic, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Partitions of a topic unless configured otherwise.
pub const DEFAULT_PARTITIONS: u16 = 3;

macro_rules! topics {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// A topic. Codes are persisted: never renumber.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Topic { $($(#[$doc])* $variant = $code,)* }

        impl Topic {
            /// Every topic.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the bus.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Takes back what [`Topic::code`] gave.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

topics! {
    /// Requests to hold stock (Orders → Products).
    InventoryReserve = 1, "inventory.reserve";
    /// Requests to give stock back (Orders → Products).
    InventoryRelease = 2, "inventory.release";
    /// An order was taken.
    OrderCreated = 3, "order.created";
    /// An order's status changed; Products consumes the hold of a shipped order on it.
    OrderStatusChanged = 4, "order.status.changed";
    /// An order was cancelled.
    OrderCancelled = 5, "order.cancelled";
    /// An order was delivered.
    OrderCompleted = 6, "order.completed";
    /// Snapshots of orders as they change, for live clients: the replayable log behind `seq`.
    OrderLive = 7, "order.live";
    /// Answer: every line is held.
    InventoryReserved = 16, "inventory.reserved";
    /// Answer: nothing is held, and why.
    InventoryRejected = 17, "inventory.rejected";
    /// Answer: what was held or shipped came back.
    InventoryReleased = 18, "inventory.released";
    /// Answer: the hold of a shipped order was consumed.
    InventoryFulfilled = 19, "inventory.fulfilled";
    /// A product's stock changed.
    StockChanged = 20, "stock.changed";
    /// What Products holds for which reservation, as of a moment of its ledger: Orders' audit compares it with its orders.
    InventoryAudit = 21, "inventory.audit";
    /// Copies of parked messages of `inventory.reserve`.
    InventoryReserveDlq = 32, "inventory.reserve.dlq";
    /// Copies of parked messages of `inventory.release`.
    InventoryReleaseDlq = 33, "inventory.release.dlq";
    /// Copies of parked messages of `order.status.changed`.
    OrderStatusChangedDlq = 34, "order.status.changed.dlq";
    /// Copies of parked messages of `inventory.reserved`.
    InventoryReservedDlq = 35, "inventory.reserved.dlq";
    /// Copies of parked messages of `inventory.rejected`.
    InventoryRejectedDlq = 36, "inventory.rejected.dlq";
    /// Copies of parked messages of `inventory.released`.
    InventoryReleasedDlq = 37, "inventory.released.dlq";
    /// Copies of parked messages of `inventory.fulfilled`.
    InventoryFulfilledDlq = 38, "inventory.fulfilled.dlq";
}

impl Topic {
    /// What the Orders service publishes.
    pub const FROM_ORDERS: &'static [Self] = &[
        Self::InventoryReserve,
        Self::InventoryRelease,
        Self::OrderCreated,
        Self::OrderStatusChanged,
        Self::OrderCancelled,
        Self::OrderCompleted,
        Self::OrderLive,
        Self::InventoryReservedDlq,
        Self::InventoryRejectedDlq,
        Self::InventoryReleasedDlq,
        Self::InventoryFulfilledDlq,
    ];

    /// What the Products service publishes.
    pub const FROM_PRODUCTS: &'static [Self] = &[
        Self::InventoryReserved,
        Self::InventoryRejected,
        Self::InventoryReleased,
        Self::InventoryFulfilled,
        Self::StockChanged,
        Self::InventoryAudit,
        Self::InventoryReserveDlq,
        Self::InventoryReleaseDlq,
        Self::OrderStatusChangedDlq,
    ];

    /// What the Products service consumes, as `products-service-group`.
    pub const TO_PRODUCTS: &'static [Self] =
        &[Self::InventoryReserve, Self::InventoryRelease, Self::OrderStatusChanged];

    /// What the Orders service consumes, as `orders-service-group`.
    pub const TO_ORDERS: &'static [Self] = &[
        Self::InventoryReserved,
        Self::InventoryRejected,
        Self::InventoryReleased,
        Self::InventoryFulfilled,
    ];

    /// What live clients are told about; read outside the consumer groups.
    pub const LIVE: &'static [Self] = &[Self::OrderLive, Self::StockChanged];

    /// A small number for storage.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Where the copies of its parked messages go; `None` for a topic that no group of ours consumes.
    pub fn dlq(self) -> Option<Self> {
        Some(match self {
            Self::InventoryReserve => Self::InventoryReserveDlq,
            Self::InventoryRelease => Self::InventoryReleaseDlq,
            Self::OrderStatusChanged => Self::OrderStatusChangedDlq,
            Self::InventoryReserved => Self::InventoryReservedDlq,
            Self::InventoryRejected => Self::InventoryRejectedDlq,
            Self::InventoryReleased => Self::InventoryReleasedDlq,
            Self::InventoryFulfilled => Self::InventoryFulfilledDlq,
            _ => return None,
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Topic {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|t| t.name() == name).ok_or(())
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(|()| serde::de::Error::custom("unknown topic"))
    }
}

/// The partition of `key` among `partitions` (at least 1): murmur2, as Kafka's own Java client chooses, so the embedded
/// bus and a cluster put an order in the same one.
pub fn partition_of(key: &[u8], partitions: u16) -> Partition {
    let positive = murmur2(key) & 0x7fff_ffff;
    Partition(u16::try_from(positive % u32::from(partitions.max(1))).unwrap_or(0))
}

/// 32-bit MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    for (shift, &byte) in rest.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * shift);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_unique_and_reversible() {
        for &topic in Topic::ALL {
            assert_eq!(Topic::from_code(topic.code()), Some(topic));
            assert_eq!(topic.name().parse(), Ok(topic));
            if let Some(dlq) = topic.dlq() {
                assert_eq!(dlq.name(), format!("{topic}.dlq"));
            }
        }
    }

    /// Values from Kafka's own test of its `Utils.murmur2`.
    #[test]
    fn hashes_as_kafka_does() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }
}
