//! Finds object keys that occur twice, at any depth. serde keeps the last one silently where types don't object,
//! and two programs that keep different ones are a way past every check.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What the error says in front of the key, so that callers can tell it from others.
pub(super) const MARK: &str = "duplicate field";

/// Checks that `text` is one JSON document in which no object names a field twice.
///
/// # Errors
/// serde_json's, or one whose text starts with [`MARK`].
pub(super) fn check(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Check.deserialize(&mut deserializer)?;
    deserializer.end()
}

struct Check;

impl<'de> DeserializeSeed<'de> for Check {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! accept {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method<E: Error>(self, _: $type) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Check {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    accept! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Check)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            fields.next_value_seed(Check)?;
            if let Some(twice) = seen.replace(key) {
                return Err(A::Error::custom(format_args!("{MARK} {twice:?}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_at_any_depth() {
        for good in ["1", "null", r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":-1.5}]}"#, r#"[true,"x",{}]"#] {
            check(good).unwrap();
        }
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(check(bad).unwrap_err().to_string().starts_with("duplicate field \"a\""));
        }
        for broken in ["", "{", "1 2", "1e400", r#"{"a"}"#, &"[".repeat(100_000)] {
            assert!(!check(broken).unwrap_err().to_string().starts_with(MARK));
        }
    }
}
