//! Small commits.

use std::sync::Arc;

use holdfast_contract::event::{Line, ReserveRequest};
use holdfast_contract::text::Name;
use holdfast_contract::{
    Currency, Decimal, Key, LineId, Money, ProductId, Quantity, ReservationId, Timestamp,
};

use super::Subject;
use crate::domain::{Cause, Decision, Description, Desk, Origin, Outcome, Product, ProductDetails, Shelf};
use crate::store::{Catalogue, StockCommit};

pub(crate) fn at() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_123)
}

pub(crate) fn origin() -> Origin {
    Origin { cause: Cause::HttpReserve, at: at() }
}

pub(crate) fn product_id(n: u8) -> ProductId {
    ProductId::from_bytes([n; 12])
}

pub(crate) fn reservation_id(n: u16) -> ReservationId {
    ReservationId::new(Key::compose(1_767_225_600_000, 1, n))
}

pub(crate) fn quantity(n: u32) -> Quantity {
    Quantity::new(n.into()).unwrap()
}

pub(crate) fn details(name: &str, minor: u64) -> ProductDetails {
    ProductDetails {
        name: Name::new(name).unwrap(),
        description: Description::default(),
        price: Money::from_minor(minor, Currency::USD).unwrap(),
        category: None,
        sku: None,
        brand: None,
        tags: Vec::new(),
        image_url: None,
        rating: None,
        review_count: 0,
        is_active: true,
    }
}

pub(crate) fn product(n: u8, details: ProductDetails) -> Arc<Product> {
    Arc::new(Product { id: product_id(n), details, created_at: at(), updated_at: at() })
}

pub(crate) fn request(n: u16, lines: &[(u8, u32)]) -> ReserveRequest {
    let line = |(&(product, units), line): (&(u8, u32), u16)| Line {
        line_id: LineId(line),
        product_id: product_id(product),
        product_name: Name::new("as ordered").unwrap(),
        quantity: quantity(units),
        unit_price: Decimal::parse("29.99").unwrap(),
    };
    ReserveRequest {
        reservation_id: reservation_id(n),
        user_id: "customer".parse().unwrap(),
        currency: Currency::USD,
        enforce_price: false,
        lines: lines.iter().zip(1..).map(line).collect(),
    }
}

/// What the desk has changed, as a commit.
pub(crate) fn taken(desk: &mut Desk) -> StockCommit {
    let effects = desk.take();
    StockCommit {
        stock: effects.stock,
        movements: effects.movements,
        opened: effects.opened,
        closed: effects.closed,
        ..StockCommit::default()
    }
}

pub(crate) fn decided(outcome: Outcome) -> Arc<Decision> {
    match outcome {
        Outcome::Decided(decision) => decision,
        Outcome::Repeated(_) => panic!("nothing was decided before"),
    }
}

/// Stores a product; gives the desk it is on.
pub(crate) async fn put(subject: &dyn Subject, desk: &mut Desk, product: Arc<Product>, on_hand: u64) {
    desk.create(product.clone(), on_hand, &origin()).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Created(product)], ..taken(desk) };
    subject.store().commit(commit).await.unwrap();
}

pub(crate) async fn shelf(subject: &dyn Subject, n: u8) -> Shelf {
    subject.store().shelves(vec![product_id(n)]).await.unwrap().pop().unwrap()
}
