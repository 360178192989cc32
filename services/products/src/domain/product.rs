//! A product of the catalogue.

use std::fmt;
use std::sync::Arc;

use holdfast_contract::text::{Name, Text};
use holdfast_contract::{Money, ProductId, Timestamp};
use thiserror::Error;

use super::level::StockLevel;

/// What products are grouped by.
pub type Category = Text<100>;
/// A merchant's own code of a product; unique when present.
pub type Sku = Text<64>;
/// A word to find a product by.
pub type Tag = Text<50>;
/// Where its picture is.
pub type ImageUrl = Text<2000>;

/// Why a text is not a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be at most {max} characters, without control characters other than line breaks", max = Description::MAX)]
pub struct InvalidDescription;

/// A text of at most [`Description::MAX`] characters; may be empty and have several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(Arc<str>);

impl Description {
    /// Characters at most.
    pub const MAX: usize = 5_000;

    /// Proves a text.
    ///
    /// # Errors
    /// Too long, or with control characters other than line breaks and tabs.
    pub fn new(text: &str) -> Result<Self, InvalidDescription> {
        let text = text.trim();
        let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if text.chars().nth(Self::MAX).is_some() || !text.chars().all(allowed) {
            return Err(InvalidDescription);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a number is not a rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a number from 0 to 5 with at most two decimals")]
pub struct InvalidRating;

/// 0 to 5 stars, in hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rating(u16);

impl Rating {
    /// Takes hundredths of a star, 0 to 500.
    ///
    /// # Errors
    /// More than 500.
    pub fn from_hundredths(hundredths: u16) -> Result<Self, InvalidRating> {
        if hundredths > 500 { Err(InvalidRating) } else { Ok(Self(hundredths)) }
    }

    /// Hundredths of a star.
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// Stars, for JSON.
    pub fn stars(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stars())
    }
}

/// What a person says about a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductDetails {
    /// What it is called.
    pub name: Name,
    /// More about it; may be empty.
    pub description: Description,
    /// What one costs.
    pub price: Money,
    /// What it is grouped by.
    pub category: Option<Category>,
    /// The merchant's own code.
    pub sku: Option<Sku>,
    /// Who makes it.
    pub brand: Option<Name>,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// Its picture.
    pub image_url: Option<ImageUrl>,
    /// What customers think.
    pub rating: Option<Rating>,
    /// How many said so.
    pub review_count: u32,
    /// Whether it can be ordered.
    pub is_active: bool,
}

/// Which details change, and to what; `None` leaves one as it is, `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the one of ProductDetails")]
pub struct ProductPatch {
    pub name: Option<Name>,
    pub description: Option<Description>,
    pub price: Option<Money>,
    pub category: Option<Option<Category>>,
    pub sku: Option<Option<Sku>>,
    pub brand: Option<Option<Name>>,
    pub tags: Option<Vec<Tag>>,
    pub image_url: Option<Option<ImageUrl>>,
    pub rating: Option<Option<Rating>>,
    pub review_count: Option<u32>,
    pub is_active: Option<bool>,
}

impl ProductPatch {
    /// The details after the change.
    pub fn apply(self, to: &ProductDetails) -> ProductDetails {
        let to = to.clone();
        ProductDetails {
            name: self.name.unwrap_or(to.name),
            description: self.description.unwrap_or(to.description),
            price: self.price.unwrap_or(to.price),
            category: self.category.unwrap_or(to.category),
            sku: self.sku.unwrap_or(to.sku),
            brand: self.brand.unwrap_or(to.brand),
            tags: self.tags.unwrap_or(to.tags),
            image_url: self.image_url.unwrap_or(to.image_url),
            rating: self.rating.unwrap_or(to.rating),
            review_count: self.review_count.unwrap_or(to.review_count),
            is_active: self.is_active.unwrap_or(to.is_active),
        }
    }
}

/// A product of the catalogue. Its version is that of its [`StockLevel`]: one number counts every change of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name in the system.
    pub id: ProductId,
    /// What a person says about it.
    pub details: ProductDetails,
    /// Since when.
    pub created_at: Timestamp,
    /// When its details changed last.
    pub updated_at: Timestamp,
}

/// A product with its stock, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    /// The product.
    pub product: Arc<Product>,
    /// How much there is of it.
    pub level: StockLevel,
}
