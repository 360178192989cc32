//! Cursors of lists: opaque to clients, versioned, and refused where they were not made for.

use holdfast_contract::ErrorCode;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// The first byte of every cursor.
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const MAX_TEXT: usize = 512;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Makes a cursor of `payload` (at most some hundred bytes) for the list `kind`. Put into `kind` what a cursor must
/// not be carried across: the list, its filters and its sorting.
pub fn encode(kind: &str, payload: &[u8]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&checksum(kind, payload));
    base64(&bytes)
}

/// The payload of a cursor that [`encode`] made for the same `kind`.
///
/// The checksum catches mistakes, not malice: check what the payload says.
///
/// # Errors
/// `INVALID_CURSOR`.
pub fn decode(kind: &str, cursor: &str) -> Result<Vec<u8>, ApiError> {
    opened(kind, cursor).ok_or_else(invalid)
}

/// The refusal of a cursor, also for payloads that make no sense.
pub fn invalid() -> ApiError {
    ApiError::new(
        ErrorCode::InvalidCursor,
        "This cursor is not one of this list; start again without a cursor",
    )
    .field("cursor", "is not one of this list")
}

fn opened(kind: &str, cursor: &str) -> Option<Vec<u8>> {
    let bytes = unbase64(cursor)?;
    let (payload, sum) = bytes.strip_prefix(&[VERSION])?.split_last_chunk::<CHECKSUM>()?;
    (*sum == checksum(kind, payload)).then(|| payload.to_vec())
}

fn checksum(kind: &str, payload: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update((kind.len() as u64).to_be_bytes());
    hash.update(kind);
    hash.update(payload);
    let digest: [u8; 32] = hash.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}

/// Strict: one text for each value, so trailing bits must be zero.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in chunk {
            bits = bits << 6 | u32::try_from(DIGITS.iter().position(|d| d == digit)?).ok()?;
        }
        bits <<= 6 * (4 - chunk.len());
        let whole = chunk.len() * 6 / 8;
        let [_, all @ ..] = bits.to_be_bytes();
        if chunk.len() == 1 || all[whole..].iter().any(|&b| b != 0) {
            return None;
        }
        bytes.extend_from_slice(&all[..whole]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_for_their_list_only() {
        for length in 0..40u8 {
            let payload: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            let cursor = encode("orders", &payload);
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(decode("orders", &cursor).unwrap(), payload);
            assert_eq!(decode("movements", &cursor).unwrap_err().code(), ErrorCode::InvalidCursor);
        }
    }

    #[test]
    fn garbled_cursors_are_refused() {
        let good = encode("orders", b"12345678");
        for index in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert!(decode("orders", std::str::from_utf8(&bytes).unwrap()).is_err());
            assert!(decode("orders", &good[..index]).is_err());
        }
        for wrong in ["", "A", "é", "====", "AQ==", " ", &"A".repeat(1000)] {
            assert!(decode("orders", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(unbase64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(unbase64("Zh"), None);
    }
}
