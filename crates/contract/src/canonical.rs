//! Canonical JSON, so that two bodies which mean the same have the same fingerprint.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A SHA-256 of the canonical form.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a JSON document: object keys sorted, no white space, numbers by value (`60`, `60.0` and `6e1`
/// are the same). Exact for every amount that [`crate::Money`] accepts.
///
/// # Errors
/// If `body` is not one JSON document.
pub fn fingerprint(body: &[u8]) -> Result<Fingerprint, serde_json::Error> {
    let value: Value = serde_json::from_slice(body)?;
    let mut hash = Sha256::new();
    write(&value, &mut hash);
    Ok(hash.finalize().into())
}

fn write(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => hash.update(integer.to_string()),
            (_, Some(integer), _) => hash.update(integer.to_string()),
            // `{}` of a whole float has no point, so 60.0 is written as 60.
            (_, _, Some(float)) => hash.update(float.to_string()),
            _ => hash.update(number.to_string()),
        },
        Value::String(text) => write_text(text, hash),
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                write(item, hash);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, item) in sorted {
                write_text(name, hash);
                hash.update(b":");
                write(item, hash);
                hash.update(b",");
            }
            hash.update(b"}");
        }
    }
}

/// Length first, so no text can imitate the structure around it.
fn write_text(text: &str, hash: &mut Sha256) {
    hash.update(format!("\"{}:", text.len()));
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Fingerprint {
        fingerprint(json.as_bytes()).unwrap()
    }

    #[test]
    fn the_same_meaning_has_the_same_fingerprint() {
        assert_eq!(of(r#"{"a":1,"b":[60.0,"x"]}"#), of(" {\"b\":[6e1 , \"x\"],\n\"a\":1} "));
        assert_ne!(of(r#"{"a":"1"}"#), of(r#"{"a":1}"#));
        assert_ne!(of(r#"["a","b"]"#), of(r#"["a,b"]"#));
        assert_ne!(of("[[1],2]"), of("[[1,2]]"));
        assert_ne!(of("59.98"), of("59.99"));
    }
}
