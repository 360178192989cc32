//! What a text search means. One definition, used by the index and by what is not indexed yet.

use std::ops::RangeInclusive;

use holdfast_contract::{OrderId, OrderNumber};
use thiserror::Error;

use crate::domain::Order;

/// Why a text cannot be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSearch {
    /// Nothing to look for.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`Search::MAX_CHARS`].
    #[error("must be at most {max} characters", max = Search::MAX_CHARS)]
    TooLong,
}

/// A text search: finds the orders whose number starts with it, and those with a product in whose name every word of it
/// begins a word. Upper and lower case are the same. Words are runs of letters and digits: nothing in it is syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    numbers: Option<(OrderId, OrderId)>,
    words: Vec<String>,
}

impl Search {
    /// Bound of the text.
    pub const MAX_CHARS: usize = 100;

    /// Reads a text. One without letters and digits is valid and finds nothing.
    ///
    /// # Errors
    /// See [`InvalidSearch`].
    pub fn new(text: &str) -> Result<Self, InvalidSearch> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidSearch::Empty);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidSearch::TooLong);
        }
        Ok(Self { numbers: OrderNumber::prefix_range(text), words: words(text) })
    }

    /// The orders whose number starts with the text.
    pub(crate) fn numbers(&self) -> Option<RangeInclusive<OrderId>> {
        self.numbers.map(|(low, high)| low..=high)
    }

    /// The words to find; sorted, each once.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether it finds `order`.
    pub fn finds(&self, order: &Order) -> bool {
        self.numbers().is_some_and(|range| range.contains(&order.id))
            || (!self.words.is_empty()
                && order.items.iter().any(|item| {
                    let name = words(item.product_name.as_str());
                    self.words.iter().all(|word| name.iter().any(|n| n.starts_with(word.as_str())))
                }))
    }
}

/// The words of a text: lower case, sorted, each once.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_syntax() {
        assert_eq!(words("Test-Product \"X\" OR 1=1; DROP*"), ["1", "drop", "or", "product", "test", "x"]);
        assert_eq!(Search::new("%_'\" ").unwrap().words(), [""; 0]);
        assert_eq!(Search::new(" "), Err(InvalidSearch::Empty));
        assert_eq!(Search::new(&"x".repeat(101)), Err(InvalidSearch::TooLong));
        assert!(Search::new("ord-0").unwrap().numbers().is_some());
        assert!(Search::new("ord").unwrap().numbers().is_none());
    }
}
