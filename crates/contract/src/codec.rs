//! Payloads to and from JSON. A payload is one flat object: the fields of its head, then those of its body.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer as _, MapAccess, Visitor};

use crate::event::Head;

/// Writes head and body as one object. Both are structs with at least one field.
pub(crate) fn encode<B: Serialize>(head: &Head, body: &B) -> Vec<u8> {
    let mut payload = Vec::with_capacity(768);
    // Writing plain structs with text keys to memory cannot fail.
    let _ = serde_json::to_writer(&mut payload, head);
    // `{…head…}` and `{…body…}` become one: the first closing brace goes, the second opening one becomes a comma.
    payload.pop();
    let seam = payload.len();
    let _ = serde_json::to_writer(&mut payload, body);
    if let Some(brace) = payload.get_mut(seam) {
        *brace = b',';
    }
    payload
}

/// Reads head and body in one pass. (Serde's `flatten` would buffer everything, and two passes read everything twice.)
pub(crate) fn decode<'de, B: Deserialize<'de>>(payload: &'de [u8]) -> Result<(Head, B), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let mut head = Fields::default();
    let body = json.deserialize_map(Whole { head: &mut head, body: PhantomData })?;
    json.end()?;
    Ok((head.finish()?, body))
}

/// A word or number of a closed set; `None` for one that is not in this build's set, which a newer writer may know.
pub(crate) fn known<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: de::DeserializeOwned,
    D: de::Deserializer<'de>,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).ok())
}

macro_rules! fields {
    ($($field:ident = $name:literal,)*) => {
        /// The head's fields, as they come.
        #[derive(Default)]
        struct Fields { $($field: Option<Slot![$field]>,)* }

        impl Fields {
            /// Takes the value if the key is one of the head's.
            fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
                match key {
                    $($name => {
                        if self.$field.is_some() {
                            return Err(de::Error::duplicate_field($name));
                        }
                        self.$field = Some(map.next_value()?);
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

macro_rules! Slot {
    (order_id) => { Option<crate::OrderId> };
    (order_number) => { Option<crate::OrderNumber> };
    (timestamp) => { crate::Timestamp };
    (schema_version) => { u32 };
    ($text:ident) => { String };
}

fields! {
    event_id = "eventId",
    event_type = "eventType",
    order_id = "orderId",
    order_number = "orderNumber",
    timestamp = "timestamp",
    schema_version = "schemaVersion",
}

impl Fields {
    fn finish(self) -> Result<Head, serde_json::Error> {
        let missing = <serde_json::Error as de::Error>::missing_field;
        Ok(Head {
            event_id: self.event_id.ok_or_else(|| missing("eventId"))?,
            event_type: self.event_type.ok_or_else(|| missing("eventType"))?,
            order_id: self.order_id.flatten(),
            order_number: self.order_number.flatten(),
            timestamp: self.timestamp.ok_or_else(|| missing("timestamp"))?,
            schema_version: self.schema_version.ok_or_else(|| missing("schemaVersion"))?,
        })
    }
}

struct Whole<'h, B> {
    head: &'h mut Fields,
    body: PhantomData<B>,
}

impl<'de, B: Deserialize<'de>> Visitor<'de> for Whole<'_, B> {
    type Value = B;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<B, A::Error> {
        B::deserialize(MapAccessDeserializer::new(Tap { map, head: self.head }))
    }
}

/// Passes the body's fields through and keeps the head's.
struct Tap<'h, A> {
    map: A,
    head: &'h mut Fields,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Tap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<Key<'de>>()? {
            if !self.head.take(&key.0, &mut self.map)? {
                return seed.deserialize(CowStrDeserializer::new(key.0)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key, borrowed where it has no escapes. (`Cow` by itself always copies.)
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
