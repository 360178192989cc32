//! Fields that several bodies have, proved.

use holdfast_contract::{Currency, Decimal, Money};
use holdfast_service::http::{ApiError, ApiResult};
use serde::{Deserialize, Deserializer};

use crate::domain::{Description, ImageUrl, Rating, Tag};

/// Tags on a product at most.
const MAX_TAGS: usize = 30;

/// Reads a field that may be absent but, if it is there, has to be a `T`: `null` is only accepted where `T` does.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Notes that a field is there, whatever it is.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

pub(super) fn price(price: Decimal, currency: Currency) -> ApiResult<Money> {
    Money::from_decimal(price, currency).map_err(|e| ApiError::invalid("price", e.to_string()))
}

/// Prices are in the currency that the service is configured with; naming it is allowed, another one is not.
pub(super) fn same_currency(given: Option<Currency>, configured: Currency) -> ApiResult<()> {
    match given {
        Some(other) if other != configured => {
            Err(ApiError::invalid("currency", format!("must be {configured}, the currency of this shop")))
        }
        _ => Ok(()),
    }
}

pub(super) fn description(text: &str) -> ApiResult<Description> {
    Description::new(text).map_err(|e| ApiError::invalid("description", e.to_string()))
}

pub(super) fn tags(tags: Vec<Tag>) -> ApiResult<Vec<Tag>> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::invalid("tags", format!("must be at most {MAX_TAGS}")));
    }
    let mut unique: Vec<Tag> = Vec::with_capacity(tags.len());
    for tag in tags {
        if !unique.contains(&tag) {
            unique.push(tag);
        }
    }
    Ok(unique)
}

/// Pages show pictures straight from this address, so it must be one that only shows a picture.
pub(super) fn image_url(url: ImageUrl) -> ApiResult<ImageUrl> {
    let text = url.as_str();
    let web =
        ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    let local = text.starts_with('/') && !text.starts_with("//");
    if (web || local) && !text.contains([' ', '"', '<', '>', '\\']) {
        Ok(url)
    } else {
        Err(ApiError::invalid("imageUrl", "must be an http(s) address or a path that starts with /"))
    }
}

/// Stars are no money: two decimals of a number up to 5 are exact enough in a float.
pub(super) fn rating(stars: f64) -> ApiResult<Rating> {
    let hundredths = (stars * 100.0).round();
    let exact = (stars * 100.0 - hundredths).abs() < 1e-6;
    if exact && (0.0..=500.0).contains(&hundredths) {
        Rating::from_hundredths(hundredths as u16).map_err(|e| ApiError::invalid("rating", e.to_string()))
    } else {
        Err(ApiError::invalid("rating", crate::domain::InvalidRating.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_from_the_web_or_from_here() {
        for good in ["https://example.org/a.png", "http://h/x", "/images/a.svg"] {
            assert!(image_url(ImageUrl::new(good).unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "//evil.example/x",
            "data:text/html,x",
            "a.png",
            "https://",
            "/a\"b",
            "/a b",
        ] {
            assert!(image_url(ImageUrl::new(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn ratings_have_two_decimals_at_most() {
        for (stars, hundredths) in [(0.0, 0), (4.35, 435), (4.1, 410), (5.0, 500)] {
            assert_eq!(rating(stars).unwrap().hundredths(), hundredths);
        }
        for bad in [-0.01, 5.01, 4.123, 1e300, f64::NAN, f64::INFINITY] {
            assert!(rating(bad).is_err(), "{bad}");
        }
    }
}
