//! Query strings, read strictly: a parameter that is unknown, given twice or malformed is refused, not ignored.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_contract::ErrorCode;
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};

use super::error::ApiError;
use super::messages;

/// The query string as a `T` that should `deny_unknown_fields` and have `Option`s or defaults.
///
/// `name=` counts as not given where `T` has an `Option`. Refuses with `INVALID_QUERY`, naming the parameter.
#[derive(Clone, Debug)]
pub struct StrictQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads a query string (what follows the `?`).
///
/// # Errors
/// `INVALID_QUERY`, with the parameter in `fields`.
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| refuse(name, "is not valid percent-encoded UTF-8"))?;
        let value = decode(value).ok_or_else(|| refuse(&name, "is not valid percent-encoded UTF-8"))?;
        if !seen.insert(name.clone()) {
            return Err(refuse(&name, "is given twice"));
        }
        pairs.push((name, Parameter(value)));
    }
    serde_path_to_error::deserialize(MapDeserializer::<_, Malformed>::new(pairs.into_iter())).map_err(
        |error| {
            let complaint = messages::complaint(&error.path().to_string(), &error.into_inner().0, "query");
            refuse(&complaint.field, &complaint.problem)
        },
    )
}

fn refuse(name: &str, problem: &str) -> ApiError {
    ApiError::of_field(ErrorCode::InvalidQuery, messages::clip(name), problem)
}

/// Undoes form encoding; `None` if it is not valid.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[derive(Debug)]
struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl de::Error for Malformed {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// One value. It is text; what it should be is the type's to say.
struct Parameter<'a>(Cow<'a, str>);

impl<'de> IntoDeserializer<'de, Malformed> for Parameter<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($wanted:literal: $($method:ident => $visit:ident: $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
            match self.0.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Malformed(concat!("must be ", $wanted).to_owned())),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Parameter<'de> {
    type Error = Malformed;

    numbers! { "a whole number, 0 or more":
        deserialize_u8 => visit_u8: u8, deserialize_u16 => visit_u16: u16, deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
    }
    numbers! { "a whole number":
        deserialize_i8 => visit_i8: i8, deserialize_i16 => visit_i16: i16, deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
    }
    numbers! { "true or false": deserialize_bool => visit_bool: bool, }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.0.into_deserializer().deserialize_enum(name, variants, visitor)
    }

    // Floats are refused: amounts are `Decimal`s, which read themselves from text.
    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
    struct List {
        limit: Option<u16>,
        search: Option<String>,
        sort_order: Option<Order>,
        in_stock: Option<bool>,
        page: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Asc,
        Desc,
    }

    #[test]
    fn good_parameters_are_read() {
        let cases = [
            ("", List::default()),
            ("&&", List::default()),
            ("search=&limit=", List::default()),
            (
                "limit=50&search=caf%C3%A9+au%20lait&sortOrder=desc&inStock=true&page=3",
                List {
                    limit: Some(50),
                    search: Some("café au lait".to_owned()),
                    sort_order: Some(Order::Desc),
                    in_stock: Some(true),
                    page: 3,
                },
            ),
            ("%6Cimit=7", List { limit: Some(7), ..List::default() }),
        ];
        for (query, expected) in cases {
            assert_eq!(parse::<List>(query).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn bad_parameters_are_refused_by_name() {
        for (query, field, problem) in [
            ("colour=red", "colour", "is not known"),
            ("colour=", "colour", "is not known"),
            ("limit=1&limit=2", "limit", "is given twice"),
            ("limit=1&%6Cimit=2", "limit", "is given twice"),
            ("limit=ten", "limit", "must be a whole number, 0 or more"),
            ("limit=-1", "limit", "must be a whole number, 0 or more"),
            ("limit=99999", "limit", "must be a whole number, 0 or more"),
            ("page=", "page", "must be a whole number, 0 or more"),
            ("inStock=yes", "inStock", "must be true or false"),
            ("sortOrder=up", "sortOrder", "must be asc or desc"),
            ("search=%FF", "search", "is not valid percent-encoded UTF-8"),
            ("search=%2", "search", "is not valid percent-encoded UTF-8"),
            ("search=%zz", "search", "is not valid percent-encoded UTF-8"),
        ] {
            let error = parse::<List>(query).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidQuery);
            assert_eq!(error.fields().get(field).map(String::as_str), Some(problem), "{query}: {error}");
        }
    }
}
