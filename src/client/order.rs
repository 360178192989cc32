//! The quick start's order, for any products.

use anyhow::Context;
use bytes::Bytes;
use holdfast_contract::{Currency, Decimal, Money};
use serde::Serialize;

/// The quick start's price, in cents.
const PRICE_MINOR: u64 = 2999;

/// A line of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// The product's id.
    pub(crate) product: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    pub(crate) quantity: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Order<'a> {
    user_id: &'a str,
    items: Vec<Item<'a>>,
    total_amount: Decimal,
    shipping_address: Address,
    payment_method: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    product_id: &'a str,
    product_name: &'a str,
    quantity: u32,
    price: Decimal,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    street: &'static str,
    city: &'static str,
    state: &'static str,
    zip_code: &'static str,
    country: &'static str,
}

/// What one costs.
pub(crate) fn price() -> anyhow::Result<Decimal> {
    Ok(Money::from_minor(PRICE_MINOR, Currency::USD)?.to_decimal())
}

/// The body of an order of these lines, as JSON.
///
/// # Errors
/// If the total is more than there can be.
pub(crate) fn order(user: &str, lines: &[Line<'_>]) -> anyhow::Result<Bytes> {
    let units = lines.iter().try_fold(0u32, |sum, line| sum.checked_add(line.quantity));
    let total = Money::from_minor(PRICE_MINOR, Currency::USD)?.times(units.context("too many units")?);
    let price = price()?;
    let order = Order {
        user_id: user,
        items: lines
            .iter()
            .map(|line| Item {
                product_id: line.product,
                product_name: line.name,
                quantity: line.quantity,
                price,
            })
            .collect(),
        total_amount: total.context("too many units")?.to_decimal(),
        shipping_address: Address {
            street: "123 Test St",
            city: "Test City",
            state: "TS",
            zip_code: "12345",
            country: "USA",
        },
        payment_method: "credit_card",
    };
    Ok(serde_json::to_vec(&order)?.into())
}
