//! Short texts with a bound, proved when they are made.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// A control character.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// A text of 1 to `MAX` characters without control characters, white space around it removed. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(Arc<str>);

/// Who an order belongs to: whatever the identity provider calls the user.
pub type UserId = Text<128>;
/// A name of a product, a city, a street.
pub type Name = Text<200>;
/// A reason or a note that a person wrote.
pub type Note = Text<500>;

impl<const MAX: usize> Text<MAX> {
    /// Proves a text.
    ///
    /// # Errors
    /// See [`InvalidText`].
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidText::Empty);
        }
        if text.len() > MAX && text.chars().count() > MAX {
            return Err(InvalidText::TooLong(MAX));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidText::ControlCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> AsRef<str> for Text<MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> std::str::FromStr for Text<MAX> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const MAX: usize>;
        impl<const MAX: usize> serde::de::Visitor<'_> for Visitor<MAX> {
            type Value = Text<MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of 1 to {MAX} characters")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Text::new(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_not_bytes() {
        assert_eq!(Text::<3>::new(" äöü ").unwrap().as_str(), "äöü");
        assert_eq!(Text::<3>::new("äöüß"), Err(InvalidText::TooLong(3)));
        assert_eq!(Text::<3>::new(" \t "), Err(InvalidText::Empty));
        assert_eq!(Text::<3>::new("a\0b"), Err(InvalidText::ControlCharacter));
    }
}
