//! What the services compare without reading each other's state: a number that stands for what a reservation is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{LineId, ProductId};

/// Stands for the lines of a reservation, in any order: which line is for how many of which product. Two that differ are
/// of different lines; two that are equal are, but for one chance in 2⁶⁴, of the same. It finds mistakes, not forgeries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinesDigest(u64);

impl LinesDigest {
    /// Of these lines.
    pub fn of(lines: impl IntoIterator<Item = (LineId, ProductId, i64)>) -> Self {
        let each = lines.into_iter().map(|(line, product, quantity)| {
            let line = line.0.to_le_bytes().into_iter();
            fnv(line.chain(*product.as_bytes()).chain(quantity.to_le_bytes()))
        });
        // A sum, so that the order does not matter and a line that is there twice shows.
        Self(each.fold(0, u64::wrapping_add))
    }
}

/// FNV-1a with a finisher, so that sums of similar lines do not cancel out. Compared between versions: never change it.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 33
}

impl fmt::Display for LinesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 hexadecimal digits")]
pub struct InvalidDigest;

impl FromStr for LinesDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if digits {
            u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidDigest)
        } else {
            Err(InvalidDigest)
        }
    }
}

impl Serialize for LinesDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinesDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_any_order_are_the_same_and_other_lines_are_not() {
        let line =
            |line: u16, product: u8, quantity| (LineId(line), ProductId::from_bytes([product; 12]), quantity);
        let both = LinesDigest::of([line(1, 7, 2), line(2, 8, 1)]);
        assert_eq!(both, LinesDigest::of([line(2, 8, 1), line(1, 7, 2)]));
        for other in [
            &[line(1, 7, 2)][..],
            &[line(1, 7, 1), line(2, 8, 2)],
            &[line(2, 7, 2), line(1, 8, 1)],
            &[line(1, 7, 2), line(2, 8, 1), line(2, 8, 1)],
            &[],
        ] {
            assert_ne!(LinesDigest::of(other.iter().copied()), both, "{other:?}");
        }
    }

    /// Another build must come to the same.
    #[test]
    fn the_written_form_stays() {
        let digest = LinesDigest::of([(LineId(1), ProductId::from_bytes([1; 12]), 2)]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(LinesDigest::default().to_string(), "0000000000000000");
        assert_eq!("+00000000000000f".parse::<LinesDigest>(), Err(InvalidDigest));
    }
}
