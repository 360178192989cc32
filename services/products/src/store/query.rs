//! How the catalogue is listed.

use std::str::FromStr;

use thiserror::Error;

use crate::domain::ProductView;

/// Bounds of a page.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// Products on a page, unless asked otherwise.
    pub const DEFAULT: u32 = 20;
    /// Products on a page at most.
    pub const MAX: u32 = 200;
}

/// What products are sorted by; equal ones by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// Name, without regard to case of ASCII letters.
    #[default]
    Name,
    /// Price in minor units.
    Price,
    /// What is available.
    Stock,
    /// Rating; unrated ones lowest.
    Rating,
    /// When they were created.
    CreatedAt,
}

/// An order of the catalogue: `price`, `-price`, ….
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Highest first.
    pub descending: bool,
}

/// Not a sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be name, price, stock, rating or createdAt, with a - before it for the opposite order")]
pub struct InvalidSort;

impl FromStr for Sort {
    type Err = InvalidSort;

    fn from_str(text: &str) -> Result<Self, InvalidSort> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = match name {
            "name" => SortBy::Name,
            "price" => SortBy::Price,
            "stock" => SortBy::Stock,
            "rating" => SortBy::Rating,
            "createdAt" => SortBy::CreatedAt,
            _ => return Err(InvalidSort),
        };
        Ok(Self { by, descending })
    }
}

/// Which products, in which order. Filters that are `None` do not filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductQuery {
    /// The category, in any case of ASCII letters.
    pub category: Option<String>,
    /// Lowest price, in minor units.
    pub min_price: Option<u64>,
    /// Highest price, in minor units.
    pub max_price: Option<u64>,
    /// Whether something is available.
    pub in_stock: Option<bool>,
    /// Words that name, description, category, brand, SKU or tags contain, each at least as the start of a word. Any
    /// text is safe; one without a letter or digit finds nothing.
    pub search: Option<String>,
    /// `None`: best match first for a search, otherwise by name.
    pub sort: Option<Sort>,
    /// From 1.
    pub page: u32,
    /// Products on a page, 1 to [`Limits::MAX`].
    pub limit: u32,
}

impl Default for ProductQuery {
    fn default() -> Self {
        Self {
            category: None,
            min_price: None,
            max_price: None,
            in_stock: None,
            search: None,
            sort: None,
            page: 1,
            limit: Limits::DEFAULT,
        }
    }
}

/// A page of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPage {
    /// The products.
    pub products: Vec<ProductView>,
    /// How many there are on all pages.
    pub total: u64,
}
