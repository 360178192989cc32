//! JSON schemas of the wire types that write themselves (feature `schema`).

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::id::{LineId, OrderId, OrderNumber, ProductId, ReservationId};
use crate::money::{Currency, Decimal, Money};
use crate::order::{OrderStatus, PaymentMethod, PaymentStatus, StockStatus};
use crate::stock::Quantity;
use crate::text::Text;
use crate::time::Timestamp;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn whole_number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

macro_rules! schemas {
    ($($type:ty = $schema:expr;)*) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }
            impl ToSchema for $type {}
        )*
    };
}

schemas! {
    OrderId = text().pattern(Some("^[0-9a-f]{24}$")).description(Some("An order's `_id`.")).build();
    OrderNumber = text().pattern(Some("^ORD-[0-9A-HJKMNP-TV-Z]{13}$")).description(Some("What people quote.")).build();
    ReservationId = text().pattern(Some("^RSV-[0-9A-HJKMNP-TV-Z]{13}$"))
        .description(Some("Names one request for stock.")).build();
    ProductId = text().pattern(Some("^[0-9a-f]{24}$")).description(Some("A product's `_id`.")).build();
    LineId = whole_number().minimum(Some(1)).description(Some("A line of an order, from 1.")).build();
    Decimal = amount();
    Money = amount();
    Currency = text().pattern(Some("^[A-Z]{3}$")).description(Some("ISO 4217 code.")).build();
    Quantity = whole_number().minimum(Some(1)).maximum(Some(Quantity::MAX)).build();
    OrderStatus = whole_number()
        .enum_values(Some(OrderStatus::ALL.map(OrderStatus::code)))
        .description(Some("1 Pending, 2 Processing, 3 Shipped, 4 Delivered, 5 Cancelled."))
        .build();
    StockStatus = words(StockStatus::ALL.iter().map(|w| w.as_str()));
    PaymentMethod = words(PaymentMethod::ALL.iter().map(|w| w.as_str()));
    PaymentStatus = words(PaymentStatus::ALL.iter().map(|w| w.as_str()));
    Timestamp = text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, UTC, three decimals."))
        .build();
}

fn amount() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Number))
        .minimum(Some(0))
        .description(Some("An exact amount; at most as many decimals as the currency has."))
        .build()
        .into()
}

fn words<'w>(words: impl Iterator<Item = &'w str>) -> Schema {
    text().enum_values(Some(words.collect::<Vec<_>>())).build().into()
}

impl<const MAX: usize> PartialSchema for Text<MAX> {
    fn schema() -> RefOr<Schema> {
        Schema::from(text().min_length(Some(1)).max_length(Some(MAX)).build()).into()
    }
}

impl<const MAX: usize> ToSchema for Text<MAX> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Text{MAX}").into()
    }
}
