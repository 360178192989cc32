//! A catalogue to begin with, so that the first order needs no preparation.
//!
//! Ids are fixed and documents quote them: the first product is the quick start's "Test Product", 29.99 each, 50 on
//! hand, with the id [`TEST_PRODUCT_ID`].

mod catalogue;

use holdfast_contract::text::{InvalidText, Name};
use holdfast_contract::{Currency, Money, ProductId};
use holdfast_storage::StoreError;
use rustc_hash::FxHashSet;
use thiserror::Error;

use self::catalogue::CATALOGUE;
use crate::decider::{CommandError, Create, Decider};
use crate::domain::{Category, Description, ProductDetails, Rating, Refusal, Sku, Tag};
use crate::store::StockReads;

/// The id of the quick start's product. Documents quote it: never change it.
pub const TEST_PRODUCT_ID: &str = "650000000000000000000001";

/// A sample product. Amounts are minor units of whatever currency the shop has: the samples cost 29.99 dollars, or
/// 2,999 yen.
#[derive(Debug)]
struct Sample {
    number: u16,
    sku: &'static str,
    name: &'static str,
    brand: &'static str,
    category: &'static str,
    minor: u64,
    stock: u64,
    rating_tenths: u16,
    reviews: u32,
    tags: &'static [&'static str],
    description: &'static str,
}

/// What a seed did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Sample products that were added.
    pub created: usize,
    /// Sample products that were left out, because they (or their SKU) were there or the catalogue was not empty.
    pub skipped: usize,
}

/// Why a seed failed. What it had added until then stays, and the next seed goes on.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The store could not be read.
    #[error("the catalogue could not be read")]
    Read(#[from] StoreError),
    /// A product could not be added.
    #[error("sample product {sku} could not be added")]
    Create {
        /// Which.
        sku: &'static str,
        /// Why.
        source: CommandError,
    },
    /// A sample product that cannot be one: a defect of this build.
    #[error("sample product {0} is malformed")]
    Malformed(&'static str),
}

/// Adds the sample products, if the catalogue is empty or holds nothing but sample products (a seed that was cut off
/// goes on). With `force`, adds whatever sample product is missing to any catalogue. Never touches what is there.
///
/// # Errors
/// See [`SeedError`].
pub async fn seed(
    store: &dyn StockReads,
    decider: &Decider,
    currency: Currency,
    force: bool,
) -> Result<Seeded, SeedError> {
    let ids: FxHashSet<ProductId> = CATALOGUE.iter().map(Sample::id).collect();
    if !force {
        let found = store.all_shelves(None, ids.len() + 1).await?;
        if !found.iter().all(|shelf| ids.contains(&shelf.product.id)) {
            return Ok(Seeded { created: 0, skipped: ids.len() });
        }
    }
    let present = store.shelves(ids.into_iter().collect()).await?;
    let present: FxHashSet<ProductId> = present.iter().map(|shelf| shelf.product.id).collect();
    let mut seeded = Seeded::default();
    for sample in CATALOGUE {
        if present.contains(&sample.id()) {
            seeded.skipped += 1;
            continue;
        }
        let details = sample.details(currency).ok_or(SeedError::Malformed(sample.sku))?;
        let create = Create { id: sample.id(), details, on_hand: sample.stock };
        match decider.create(create, None).await {
            Ok(_) => seeded.created += 1,
            Err(CommandError::Refused(Refusal::DuplicateSku(_) | Refusal::ProductExists(_))) => {
                seeded.skipped += 1;
            }
            Err(source) => return Err(SeedError::Create { sku: sample.sku, source }),
        }
    }
    Ok(seeded)
}

impl Sample {
    /// `65`, and the number in decimal digits: easy to type, and in the form of an id from 2023.
    fn id(&self) -> ProductId {
        let decimal = |n: u16| u8::try_from(n / 10 % 10 * 16 + n % 10).unwrap_or(0);
        let mut bytes = [0; 12];
        bytes[0] = 0x65;
        bytes[10] = decimal(self.number / 100);
        bytes[11] = decimal(self.number);
        ProductId::from_bytes(bytes)
    }

    /// `None` if a text or number is out of bounds.
    fn details(&self, currency: Currency) -> Option<ProductDetails> {
        let tags: Result<Vec<Tag>, InvalidText> = self.tags.iter().map(|tag| Tag::new(tag)).collect();
        Some(ProductDetails {
            name: Name::new(self.name).ok()?,
            description: Description::new(self.description).ok()?,
            price: Money::from_minor(self.minor, currency).ok()?,
            category: Some(Category::new(self.category).ok()?),
            sku: Some(Sku::new(self.sku).ok()?),
            brand: Some(Name::new(self.brand).ok()?),
            tags: tags.ok()?,
            image_url: None,
            rating: Some(Rating::from_hundredths(self.rating_tenths * 10).ok()?),
            review_count: self.reviews,
            is_active: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_product_and_none_is_there_twice() {
        let ids: FxHashSet<ProductId> = CATALOGUE.iter().map(Sample::id).collect();
        let skus: FxHashSet<&str> = CATALOGUE.iter().map(|s| s.sku).collect();
        assert_eq!((ids.len(), skus.len()), (CATALOGUE.len(), CATALOGUE.len()));
        assert!(CATALOGUE.len() >= 48);
        for sample in CATALOGUE {
            assert!(sample.details(Currency::USD).is_some(), "{}", sample.sku);
            assert!(sample.stock <= 500, "{}", sample.sku);
        }
        let count = |wanted: fn(&Sample) -> bool| CATALOGUE.iter().filter(|s| wanted(s)).count();
        assert_eq!((count(|s| s.stock == 0), count(|s| (1..10).contains(&s.stock))), (3, 4));
    }

    #[test]
    fn the_first_is_the_product_of_the_quick_start() {
        let test = &CATALOGUE[0];
        assert_eq!(test.id().to_string(), TEST_PRODUCT_ID);
        assert_eq!((test.name, test.minor, test.stock), ("Test Product", 2999, 50));
        assert_eq!(CATALOGUE[47].id().to_string(), "650000000000000000000048");
    }
}
