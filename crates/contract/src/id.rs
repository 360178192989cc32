//! Identifiers. Each is a value that was proved well-formed when it was made.
//!
//! An order has one 63-bit [`Key`]; its `_id`, its `orderNumber` and (today) its `reservationId` are reversible
//! encodings of that key, so one integer primary key serves all three without a secondary index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

/// 2020-01-01T00:00:00Z. Keys are persisted: never change it.
const KEY_EPOCH_MILLIS: u64 = 1_577_836_800_000;
const INSTANCE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;

/// A 63-bit, time-ordered key: 41 bits of milliseconds since 2020, 10 bits of instance, 12 bits of sequence.
///
/// Fits a signed 64-bit integer, so it can be an SQLite rowid. Rows with fresh keys land next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    /// The largest key.
    pub const MAX: Self = Self(i64::MAX as u64);
    /// The number of instances that can make keys in the same millisecond.
    pub const INSTANCES: u16 = 1 << INSTANCE_BITS;
    /// The number of keys that one instance can make in one millisecond.
    pub const PER_MILLISECOND: u16 = 1 << SEQUENCE_BITS;

    /// Packs the parts. `unix_millis` before 2020 count as 2020; `instance` and `sequence` are taken modulo their
    /// range.
    pub fn compose(unix_millis: u64, instance: u16, sequence: u16) -> Self {
        let millis = unix_millis.saturating_sub(KEY_EPOCH_MILLIS) & ((1 << 41) - 1);
        let instance = u64::from(instance % Self::INSTANCES);
        let sequence = u64::from(sequence % Self::PER_MILLISECOND);
        Self(millis << (INSTANCE_BITS + SEQUENCE_BITS) | instance << SEQUENCE_BITS | sequence)
    }

    /// Takes back what [`Key::as_i64`] gave; `None` for a negative number.
    pub fn from_i64(value: i64) -> Option<Self> {
        u64::try_from(value).ok().map(Self)
    }

    /// The key as a non-negative integer, for storage.
    pub fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// When the key was made, in milliseconds since the Unix epoch.
    pub fn unix_millis(self) -> u64 {
        (self.0 >> (INSTANCE_BITS + SEQUENCE_BITS)) + KEY_EPOCH_MILLIS
    }

    fn unix_seconds(self) -> u32 {
        u32::try_from(self.unix_millis() / 1000).unwrap_or(u32::MAX)
    }

    /// Twelve bytes in the layout of a MongoDB ObjectId: seconds first, so tools show the right date, then the key.
    fn to_object_id(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.unix_seconds().to_be_bytes());
        bytes[4..].copy_from_slice(&self.0.to_be_bytes());
        bytes
    }

    fn from_object_id(bytes: [u8; 12]) -> Option<Self> {
        let mut key = [0; 8];
        key.copy_from_slice(&bytes[4..]);
        let key = Self(u64::from_be_bytes(key));
        (key <= Self::MAX && key.unix_seconds().to_be_bytes() == bytes[..4]).then_some(key)
    }
}

fn hex(bytes: [u8; 12]) -> [u8; 24] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 24];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn unhex(text: &str) -> Option<[u8; 12]> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 12];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

/// Crockford's base 32: no I, L, O or U, so a number survives being read out over the telephone.
const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE32_DIGITS: usize = 13;

fn base32(key: Key) -> [u8; BASE32_DIGITS] {
    let mut text = [0; BASE32_DIGITS];
    let mut rest = key.0;
    for digit in text.iter_mut().rev() {
        *digit = BASE32[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

fn prefixed(prefix: &str, key: Key) -> [u8; 4 + BASE32_DIGITS] {
    let mut text = [0; 4 + BASE32_DIGITS];
    text[..4].copy_from_slice(prefix.as_bytes());
    text[4..].copy_from_slice(&base32(key));
    text
}

fn base32_digit(byte: u8) -> Option<u64> {
    let upper = byte.to_ascii_uppercase();
    BASE32.iter().position(|&d| d == upper).map(|p| p as u64)
}

/// The keys whose base-32 form starts with `prefix` (at most 13 digits), lowest and highest.
fn base32_range(prefix: &str) -> Option<(Key, Key)> {
    if prefix.len() > BASE32_DIGITS {
        return None;
    }
    let mut low: u128 = 0;
    for byte in prefix.bytes() {
        low = low << 5 | u128::from(base32_digit(byte)?);
    }
    let missing = 5 * (BASE32_DIGITS - prefix.len());
    let low = low << missing;
    let high = low + (1u128 << missing) - 1;
    let low = u64::try_from(low).ok().filter(|&l| l <= Key::MAX.0)?;
    Some((Key(low), Key(u64::try_from(high).unwrap_or(u64::MAX).min(Key::MAX.0))))
}

macro_rules! text_id {
    ($name:ident, $expected:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(ascii(&self.written()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

macro_rules! key_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Key);

        impl $name {
            /// Wraps a key.
            pub fn new(key: Key) -> Self {
                Self(key)
            }

            /// The key inside.
            pub fn key(self) -> Key {
                self.0
            }
        }
    };
}

key_id! {
    /// An order's `_id`: 24 hexadecimal digits. Half of the seconds are redundant, so most typing errors are caught.
    OrderId
}

impl OrderId {
    fn written(self) -> [u8; 24] {
        hex(self.0.to_object_id())
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.written()))
    }
}

impl FromStr for OrderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        unhex(text)
            .and_then(Key::from_object_id)
            .map(Self)
            .ok_or(InvalidId { expected: "an order id (24 hexadecimal digits)" })
    }
}

text_id!(OrderId, "an order id (24 hexadecimal digits)");

key_id! {
    /// What people quote: `ORD-` and 13 base-32 digits. Names the same order as its [`OrderId`].
    OrderNumber
}

impl OrderNumber {
    const PREFIX: &'static str = "ORD-";

    /// The order ids whose number starts with `text`, lowest and highest; upper and lower case are the same.
    ///
    /// `None` if no number can start so. The number is a reversible encoding of a time-ordered key, so a search by
    /// prefix is a range of keys and needs no index.
    pub fn prefix_range(text: &str) -> Option<(OrderId, OrderId)> {
        let digits = text.get(..4).filter(|p| p.eq_ignore_ascii_case(Self::PREFIX)).map(|_| &text[4..])?;
        base32_range(digits).map(|(low, high)| (OrderId(low), OrderId(high)))
    }
}

impl From<OrderId> for OrderNumber {
    fn from(id: OrderId) -> Self {
        Self(id.0)
    }
}

impl From<OrderNumber> for OrderId {
    fn from(number: OrderNumber) -> Self {
        Self(number.0)
    }
}

impl OrderNumber {
    fn written(self) -> [u8; 4 + BASE32_DIGITS] {
        prefixed(Self::PREFIX, self.0)
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.written()))
    }
}

impl FromStr for OrderNumber {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::prefix_range(text)
            .filter(|(low, high)| low == high)
            .map(|(id, _)| id.into())
            .ok_or(InvalidId { expected: "an order number (ORD- and 13 letters or digits)" })
    }
}

text_id!(OrderNumber, "an order number (ORD- and 13 letters or digits)");

key_id! {
    /// Names one request for stock. Requests, answers, holds and decisions are keyed by it; today an order has one.
    ReservationId
}

impl ReservationId {
    const PREFIX: &'static str = "RSV-";
}

impl From<OrderId> for ReservationId {
    fn from(order: OrderId) -> Self {
        Self(order.0)
    }
}

impl ReservationId {
    fn written(self) -> [u8; 4 + BASE32_DIGITS] {
        prefixed(Self::PREFIX, self.0)
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.written()))
    }
}

impl FromStr for ReservationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix(Self::PREFIX)
            .and_then(base32_range)
            .filter(|(low, high)| low == high)
            .map(|(key, _)| Self(key))
            .ok_or(InvalidId { expected: "a reservation id (RSV- and 13 letters or digits)" })
    }
}

text_id!(ReservationId, "a reservation id (RSV- and 13 letters or digits)");

/// A product's `_id`: any 24 hexadecimal digits, so that catalogues keep the ids they were imported with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId([u8; 12]);

impl ProductId {
    /// Wraps twelve bytes.
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The twelve bytes, for storage.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl From<Key> for ProductId {
    fn from(key: Key) -> Self {
        Self(key.to_object_id())
    }
}

impl ProductId {
    fn written(self) -> [u8; 24] {
        hex(self.0)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.written()))
    }
}

impl FromStr for ProductId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        unhex(text).map(Self).ok_or(InvalidId { expected: "a product id (24 hexadecimal digits)" })
    }
}

text_id!(ProductId, "a product id (24 hexadecimal digits)");

/// A line of an order, numbered from 1 in the order the client sent them. Never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub u16);

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Digits of our own alphabets only; the fallback cannot be reached.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        (KEY_EPOCH_MILLIS..KEY_EPOCH_MILLIS + (1 << 41), any::<u16>(), any::<u16>())
            .prop_map(|(ms, instance, sequence)| Key::compose(ms, instance, sequence))
    }

    proptest! {
        #[test]
        fn id_number_and_reservation_name_the_same_key(key in key()) {
            let id = OrderId::new(key);
            prop_assert_eq!(id.to_string().parse::<OrderId>().unwrap(), id);
            let number = OrderNumber::from(id);
            prop_assert_eq!(number.to_string().parse::<OrderNumber>().unwrap(), number);
            prop_assert_eq!(number.to_string().to_lowercase().parse::<OrderNumber>().unwrap(), number);
            let reservation = ReservationId::from(id);
            prop_assert_eq!(reservation.to_string().parse::<ReservationId>().unwrap(), reservation);
        }

        #[test]
        fn texts_sort_as_keys_do(a in key(), b in key()) {
            prop_assert_eq!(a.cmp(&b), OrderNumber::new(a).to_string().cmp(&OrderNumber::new(b).to_string()));
            prop_assert_eq!(a.cmp(&b), OrderId::new(a).to_string().cmp(&OrderId::new(b).to_string()));
        }

        #[test]
        fn every_prefix_of_a_number_finds_it(key in key(), digits in 0usize..=13) {
            let text = OrderNumber::new(key).to_string();
            let (low, high) = OrderNumber::prefix_range(&text[..4 + digits]).unwrap();
            prop_assert!(low.key() <= key && key <= high.key());
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC{0,40}") {
            let _ = text.parse::<OrderId>();
            let _ = text.parse::<OrderNumber>();
            let _ = text.parse::<ReservationId>();
            let _ = text.parse::<ProductId>();
            let _ = OrderNumber::prefix_range(&text);
        }
    }

    #[test]
    fn a_mistyped_digit_in_the_seconds_is_caught() {
        let id = OrderId::new(Key::compose(1_763_600_000_000, 3, 9)).to_string();
        let wrong = format!("{}{}", if id.starts_with('6') { '7' } else { '6' }, &id[1..]);
        assert!(wrong.parse::<OrderId>().is_err());
    }
}
