//! What the stages work on: a catalogue, and orders as the quick start places them, each with its outgoing records.

use std::sync::Arc;

use anyhow::Context;
use holdfast_contract::text::{Name, Text, UserId};
use holdfast_contract::{Currency, Money, PaymentMethod, PaymentStatus, ProductId, Quantity};
use holdfast_orders::domain::{Address, Draft, DraftItem, Metadata, place};
use holdfast_orders::service as orders;
use holdfast_orders::store::{Change, Commit, StepCause};
use holdfast_products::decider::{Create, Decider};
use holdfast_products::domain::{Description, ProductDetails};
use holdfast_products::service as products;
use holdfast_service::{Clock, SystemClock};

use super::consumer;

/// The quick start's price, in cents.
const PRICE_MINOR: u64 = 2999;
/// The quick start's quantity.
const QUANTITY: u32 = 2;
/// What each product has: more than any run can ask for.
const STOCK: u64 = 1_000_000_000;
/// Orders in one commit.
const CHUNK: u64 = 256;

/// So many products.
pub(super) fn catalogue(count: usize) -> Vec<ProductId> {
    (1..=count as u64)
        .map(|number| {
            let mut id = [0; 12];
            id[4..].copy_from_slice(&number.to_be_bytes());
            ProductId::from_bytes(id)
        })
        .collect()
}

/// Puts `catalogue` into a database.
pub(super) async fn products(database: &products::Database, catalogue: &[ProductId]) -> anyhow::Result<()> {
    consumer::with_decider(database, async |decider: Decider| {
        for id in catalogue {
            let details = ProductDetails {
                name: Name::new("Test Product")?,
                description: Description::new("")?,
                price: price()?,
                category: None,
                sku: None,
                brand: None,
                tags: Vec::new(),
                image_url: None,
                rating: None,
                review_count: 0,
                is_active: true,
            };
            decider.create(Create { id: *id, details, on_hand: STOCK }, None).await?;
        }
        Ok(())
    })
    .await
}

/// Takes `count` orders, spread evenly over `catalogue`.
pub(super) async fn orders(
    database: &orders::Database,
    catalogue: &[ProductId],
    count: u64,
) -> anyhow::Result<()> {
    let mut taken = 0;
    while taken < count {
        let chunk = CHUNK.min(count - taken);
        let changes = (taken..taken + chunk).map(|number| order(database, catalogue, number));
        let changes = changes.collect::<anyhow::Result<Vec<_>>>()?;
        database.store.commit(Commit { changes, ..Commit::default() }).await.context("taking orders")?;
        taken += chunk;
    }
    Ok(())
}

fn order(database: &orders::Database, catalogue: &[ProductId], number: u64) -> anyhow::Result<Change> {
    let product = catalogue[usize::try_from(number % catalogue.len() as u64)?];
    let quantity = Quantity::new(u64::from(QUANTITY))?;
    let draft = Draft {
        user_id: UserId::new("test-user-123")?,
        total: price()?.times(QUANTITY).context("too much")?,
        items: vec![DraftItem {
            product_id: product,
            product_name: Name::new("Test Product")?,
            quantity,
            price: price()?,
        }],
        address: Address {
            street: Name::new("123 Test St")?,
            city: Name::new("Test City")?,
            state: Name::new("TS")?,
            zip_code: Text::new("12345")?,
            country: Name::new("USA")?,
        },
        payment_method: PaymentMethod::CreditCard,
        payment_status: PaymentStatus::Pending,
        metadata: Metadata::empty(),
        enforce_price: false,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let placed = place(draft, holdfast_contract::OrderId::new(database.keys.next()), clock.now())?;
    let cause = StepCause::Request { request_id: format!("bench-{number}"), subject: None };
    Ok(Change::insert(placed, cause, None))
}

fn price() -> anyhow::Result<Money> {
    Ok(Money::from_minor(PRICE_MINOR, Currency::USD)?)
}
