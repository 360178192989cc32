//! A small world to try the rules in.

use std::sync::Arc;

use holdfast_contract::event::{Line, ReserveRequest};
use holdfast_contract::text::Name;
use holdfast_contract::{
    Currency, Decimal, Key, LineId, Money, ProductId, Quantity, ReservationId, Timestamp,
};

use crate::domain::{Cause, Description, Origin, Product, ProductDetails, Shelf, StockLevel};

pub(super) fn product_id(n: u8) -> ProductId {
    ProductId::from_bytes([n; 12])
}

pub(super) fn reservation_id(n: u16) -> ReservationId {
    ReservationId::new(Key::compose(1_767_225_600_000, 1, n))
}

pub(super) fn quantity(n: u32) -> Quantity {
    Quantity::new(n.into()).unwrap()
}

pub(super) fn origin() -> Origin {
    Origin { cause: Cause::Created, at: Timestamp::from_millis(1_767_225_600_000) }
}

pub(super) fn product(n: u8) -> Product {
    Product {
        id: product_id(n),
        details: ProductDetails {
            name: Name::new(&format!("Product {n}")).unwrap(),
            description: Description::default(),
            price: Money::from_minor(1_000, Currency::USD).unwrap(),
            category: None,
            sku: None,
            brand: None,
            tags: Vec::new(),
            image_url: None,
            rating: None,
            review_count: 0,
            is_active: true,
        },
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

pub(super) fn shelf(n: u8, on_hand: u64) -> Shelf {
    let level = StockLevel::new(on_hand).unwrap();
    Shelf { product: Arc::new(product(n)), level, last_movement: None, hidden: false }
}

pub(super) fn request(n: u16, lines: &[(u8, u32)]) -> ReserveRequest {
    ReserveRequest {
        reservation_id: reservation_id(n),
        user_id: "customer".parse().unwrap(),
        currency: Currency::USD,
        enforce_price: false,
        lines: lines
            .iter()
            .zip(1..)
            .map(|(&(product, units), line)| Line {
                line_id: LineId(line),
                product_id: product_id(product),
                product_name: Name::new(&format!("Product {product}")).unwrap(),
                quantity: quantity(units),
                unit_price: Decimal::parse("10").unwrap(),
            })
            .collect(),
    }
}
