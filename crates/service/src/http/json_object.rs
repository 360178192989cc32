//! Free-form JSON that clients may attach, such as an order's `metadata`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::duplicates::MARK;

/// A JSON object of any content, bounded in size and depth and free of duplicate keys. Kept as its canonical text:
/// keys sorted, no white space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonObject {
    text: Box<str>,
}

impl JsonObject {
    /// The longest canonical text, in bytes.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// How deep objects and lists may be nested; the object itself is the first level.
    pub const MAX_DEPTH: usize = 16;

    /// `{}`.
    pub fn empty() -> Self {
        Self { text: "{}".into() }
    }

    /// Takes back what [`JsonObject::as_str`] gave, from storage, without checking its bounds again.
    ///
    /// # Errors
    /// If `text` is not a JSON object.
    pub fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        let map: Map<String, Value> = serde_json::from_str(text)?;
        Ok(Self { text: serde_json::to_string(&map)?.into() })
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `{}`.
    pub fn is_empty(&self) -> bool {
        &*self.text == "{}"
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::empty()
    }
}

impl Serialize for JsonObject {
    /// The canonical text as it is. Formats other than serde_json's get a structure that only it understands.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.text).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_map(Object(1))?;
        // A map's keys are sorted: serde_json is built without `preserve_order`, see the test.
        let text = serde_json::to_string(&value).map_err(D::Error::custom)?;
        if text.len() > Self::MAX_BYTES {
            return Err(D::Error::custom(format_args!("must be at most {} bytes of JSON", Self::MAX_BYTES)));
        }
        Ok(Self { text: text.into() })
    }
}

/// Any value at this level of nesting.
struct Any(usize);

/// An object at this level of nesting.
struct Object(usize);

fn check_depth<E: Error>(depth: usize) -> Result<(), E> {
    if depth > JsonObject::MAX_DEPTH {
        return Err(E::custom(format_args!("must be nested at most {} deep", JsonObject::MAX_DEPTH)));
    }
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        check_depth(self.0)?;
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(Any(self.0 + 1))?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{MARK} {key:?}")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("must be a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        check_depth(self.0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Any(self.0 + 1))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Value, A::Error> {
        Object(self.0).visit_map(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        serde_json::from_str::<JsonObject>(text).map(|o| o.as_str().to_owned()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_text_is_canonical_and_written_as_it_is() {
        let object: JsonObject =
            serde_json::from_str(r#" {"b": [1, -2, 1.50, null, true, "é\u0041"], "a": {}} "#).unwrap();
        assert_eq!(object.as_str(), r#"{"a":{},"b":[1,-2,1.5,null,true,"éA"]}"#);
        assert_eq!(serde_json::to_string(&object).unwrap(), object.as_str());
        assert_eq!(serde_json::to_value(&object).unwrap()["b"][1], -2);
        assert_eq!(JsonObject::from_stored(object.as_str()).unwrap(), object);
        assert!(JsonObject::default().is_empty());
        assert!(JsonObject::from_stored("[]").is_err());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth - 1) + "{", "}".repeat(depth));
        read(&nested(JsonObject::MAX_DEPTH)).unwrap();
        assert!(read(&nested(JsonObject::MAX_DEPTH + 1)).unwrap_err().contains("16 deep"));
        let long = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        read(&long(JsonObject::MAX_BYTES)).unwrap();
        assert!(read(&long(JsonObject::MAX_BYTES + 1)).unwrap_err().contains("16384 bytes"));
        assert!(read(r#"{"a":[{"b":1,"b":1}]}"#).unwrap_err().contains(MARK));
        for wrong in ["[]", "1", "\"a\"", "null"] {
            assert!(read(wrong).unwrap_err().contains("expected an object"), "{wrong}");
        }
    }
}
