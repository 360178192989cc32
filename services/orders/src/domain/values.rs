//! Parts of an order that prove themselves when they are made.

use std::sync::Arc;

use holdfast_contract::text::{Name, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The number of a parcel, as the carrier writes it.
pub type TrackingNumber = Text<100>;

/// Where an order goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub street: Name,
    /// City.
    pub city: Name,
    /// State, province or region.
    pub state: Name,
    /// Postal code.
    pub zip_code: Text<20>,
    /// Country, as the client writes it.
    pub country: Name,
}

/// Why a JSON document is not metadata.
#[derive(Debug, Error)]
pub enum InvalidMetadata {
    /// Not a JSON object.
    #[error("must be an object")]
    NotAnObject,
    /// Its compact form is longer than [`Metadata::MAX_BYTES`].
    #[error("must be at most {max} bytes of JSON", max = Metadata::MAX_BYTES)]
    TooLarge,
    /// Not JSON.
    #[error("must be JSON")]
    NotJson(#[source] serde_json::Error),
}

/// What clients keep with an order: a JSON object in canonical form (no white space, keys sorted). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata(Arc<str>);

impl Metadata {
    /// Bound of the canonical form.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// `{}`.
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    /// See [`InvalidMetadata`].
    pub fn parse(json: &str) -> Result<Self, InvalidMetadata> {
        if json.trim() == "{}" {
            return Ok(Self::empty());
        }
        Self::from_value(serde_json::from_str(json).map_err(InvalidMetadata::NotJson)?)
    }

    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`InvalidMetadata::NotAnObject`], [`InvalidMetadata::TooLarge`].
    pub fn from_value(mut value: Value) -> Result<Self, InvalidMetadata> {
        if !value.is_object() {
            return Err(InvalidMetadata::NotAnObject);
        }
        sort(&mut value);
        let text = value.to_string();
        if text.len() > Self::MAX_BYTES { Err(InvalidMetadata::TooLarge) } else { Ok(Self(text.into())) }
    }

    /// The canonical JSON object.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self::empty()
    }
}

/// serde_json's parser bounds the depth, so the recursion is bounded.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Object(fields) => {
            let mut sorted: Vec<_> = std::mem::take(fields).into_iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, mut item) in sorted {
                sort(&mut item);
                fields.insert(name, item);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_in_one_spelling() {
        let metadata = Metadata::parse(r#" {"b": [{"z":1,"a":2}], "a": 1.50} "#).unwrap();
        assert_eq!(metadata.as_str(), r#"{"a":1.5,"b":[{"a":2,"z":1}]}"#);
        assert_eq!(Metadata::parse(metadata.as_str()).unwrap(), metadata);
        assert!(matches!(Metadata::parse("[]"), Err(InvalidMetadata::NotAnObject)));
        assert!(matches!(Metadata::parse("{"), Err(InvalidMetadata::NotJson(_))));
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(Metadata::MAX_BYTES));
        assert!(matches!(Metadata::parse(&large), Err(InvalidMetadata::TooLarge)));
    }
}
