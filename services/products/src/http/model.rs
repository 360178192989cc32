//! How products, holds and movements look in answers.

use holdfast_contract::stock::{Balances, MovementKind};
use holdfast_contract::text::Name;
use holdfast_contract::{
    Currency, DEFAULT_LOCATION, LineId, Money, OrderId, OrderNumber, ProductId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Category, Cause, Hold, ImageUrl, LedgerMovement, Owner, ProductView, Sku, Tag};

/// A product with its stock.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Product)]
pub(super) struct ProductBody {
    /// Names the product.
    #[serde(rename = "_id")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{24}$", example = "650000000000000000000001")]
    pub id: ProductId,
    /// What it is called.
    #[schema(value_type = String, example = "Test Product")]
    pub name: Name,
    /// More about it; may be empty.
    pub description: String,
    /// What one costs, in units of the currency. Exact.
    #[schema(value_type = f64, minimum = 0, example = 29.99)]
    pub price: Money,
    /// ISO 4217.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// What it is grouped by.
    #[schema(value_type = Option<String>, required)]
    pub category: Option<Category>,
    /// Available to sell: `onHand − reserved`. Never negative.
    #[schema(example = 50)]
    pub stock: u64,
    /// Held for orders.
    #[schema(example = 0)]
    pub reserved: u64,
    /// Physically there.
    #[schema(example = 50)]
    pub on_hand: u64,
    /// Whether any is available.
    pub in_stock: bool,
    /// The merchant's own code; unique.
    #[schema(value_type = Option<String>, required)]
    pub sku: Option<Sku>,
    /// Who makes it.
    #[schema(value_type = Option<String>, required)]
    pub brand: Option<Name>,
    /// Words to find it by.
    #[schema(value_type = Vec<String>)]
    pub tags: Vec<Tag>,
    /// Where its picture is.
    #[schema(value_type = Option<String>, required)]
    pub image_url: Option<ImageUrl>,
    /// 0 to 5 stars, by hundredths; absent ratings are `null`.
    #[schema(minimum = 0, maximum = 5, required)]
    pub rating: Option<f64>,
    /// How many rated it.
    #[schema(value_type = u64)]
    pub review_count: u32,
    /// Whether it can be ordered.
    pub is_active: bool,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its details changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Counts every change of its details or its stock.
    #[schema(example = 1)]
    pub version: u64,
}

impl From<&ProductView> for ProductBody {
    fn from(view: &ProductView) -> Self {
        let (product, details, level) = (&view.product, &view.product.details, view.level);
        Self {
            id: product.id,
            name: details.name.clone(),
            description: details.description.as_str().to_owned(),
            price: details.price,
            currency: details.price.currency(),
            category: details.category.clone(),
            stock: level.available(),
            reserved: level.reserved(),
            on_hand: level.on_hand(),
            in_stock: level.available() > 0,
            sku: details.sku.clone(),
            brand: details.brand.clone(),
            tags: details.tags.clone(),
            image_url: details.image_url.clone(),
            rating: details.rating.map(|r| r.stars()),
            review_count: details.review_count,
            is_active: details.is_active,
            created_at: product.created_at,
            updated_at: product.updated_at,
            version: level.version(),
        }
    }
}

/// One product.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProductData {
    /// The product.
    pub product: ProductBody,
}

impl From<&ProductView> for ProductData {
    fn from(view: &ProductView) -> Self {
        Self { product: view.into() }
    }
}

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProductList {
    /// The products.
    pub products: Vec<ProductBody>,
    /// How many are on this page.
    pub count: usize,
}

/// Where a page is among all.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct PageMeta {
    /// This page, from 1.
    #[schema(minimum = 1)]
    pub page: u32,
    /// Products on a page at most.
    #[schema(minimum = 1, maximum = 200)]
    pub limit: u32,
    /// Products on all pages.
    pub total: u64,
    /// How many pages there are.
    pub pages: u64,
}

/// How a list goes on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CursorMeta {
    /// Give it as `cursor` to get what follows; `null` at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An open hold: stock that is kept for an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Hold)]
pub(super) struct HoldBody {
    /// Names the hold.
    #[schema(example = "hold-17")]
    pub hold_id: String,
    /// What is held.
    #[schema(value_type = String)]
    pub product_id: ProductId,
    /// The reservation that it belongs to; the caller's order id if it was made over HTTP.
    pub reservation_id: String,
    /// For which order.
    pub order_id: String,
    /// Its number, if it is an order of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub order_number: Option<OrderNumber>,
    /// For which line of it.
    #[schema(value_type = u16)]
    pub line_id: LineId,
    /// Where. Always `default` today.
    pub location_id: &'static str,
    /// How much.
    pub quantity: u32,
    /// How much of it has left.
    pub consumed_quantity: u32,
    /// `event` or `http`.
    pub source: &'static str,
    /// When it ends by itself: never, today.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// The order's id, and its number if it is one of ours.
fn order_of(owner: &Owner) -> (String, Option<OrderNumber>) {
    match owner {
        Owner::Reservation(id) => {
            let order = OrderId::new(id.key());
            (order.to_string(), Some(order.into()))
        }
        Owner::Http(order) => (order.to_string(), order.order().map(OrderNumber::from)),
    }
}

impl From<&Hold> for HoldBody {
    fn from(hold: &Hold) -> Self {
        let (order_id, order_number) = order_of(&hold.owner);
        Self {
            hold_id: hold.id.to_string(),
            product_id: hold.product,
            reservation_id: hold.owner.to_string(),
            order_id,
            order_number,
            line_id: hold.line_id,
            location_id: DEFAULT_LOCATION,
            quantity: hold.quantity.get(),
            consumed_quantity: hold.consumed,
            source: hold.source().as_str(),
            expires_at: None,
            created_at: hold.at,
        }
    }
}

/// What made stock move.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = MovementCause)]
pub(super) enum CauseBody {
    /// A message on the bus.
    Event {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u16,
        /// Its offset.
        offset: u64,
    },
    /// `POST /api/v1/products/{id}/reserve`.
    HttpReserve,
    /// `POST /api/v1/products/{id}/release`.
    HttpRelease,
    /// A correction by a person.
    Adjusted {
        /// Why.
        reason: String,
    },
    /// The product was created with this stock.
    Created,
}

impl From<&Cause> for CauseBody {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Event { topic, partition, offset } => {
                Self::Event { topic: topic.to_string(), partition: partition.0, offset: *offset }
            }
            Cause::HttpReserve => Self::HttpReserve,
            Cause::HttpRelease => Self::HttpRelease,
            Cause::Adjusted(reason) => Self::Adjusted { reason: reason.to_string() },
            Cause::Created => Self::Created,
        }
    }
}

/// What there was after a movement.
#[derive(Debug, ToSchema)]
#[schema(as = Balances)]
#[expect(dead_code, reason = "the API document's view of the contract's type")]
#[serde(rename_all = "camelCase")]
pub(super) struct BalancesBody {
    /// Available to sell.
    stock: u64,
    /// Held for orders.
    reserved: u64,
    /// Physically there.
    on_hand: u64,
}

/// One change of a product's stock. Never changed, never deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Movement)]
pub(super) struct MovementBody {
    /// Names the movement; they count up.
    #[schema(example = "mov-17")]
    pub movement_id: String,
    /// Which product.
    #[schema(value_type = String)]
    pub product_id: ProductId,
    /// Its name at the time.
    #[schema(value_type = String)]
    pub product_name: Name,
    /// For which order, where one was the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Its number, if it is an order of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub order_number: Option<OrderNumber>,
    /// The reservation, where one was the cause; the caller's order id if it was made over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<String>,
    /// The order's line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>)]
    pub line_id: Option<LineId>,
    /// Why: `received`, `reserved`, `released`, `fulfilled`, `returned` or `adjusted`.
    #[schema(value_type = String, example = "reserved")]
    pub kind: MovementKind,
    /// Change of what is physically there.
    pub on_hand_delta: i64,
    /// Change of what is held.
    pub reserved_delta: i64,
    /// The hold that was opened or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<String>,
    /// Where. Always `default` today.
    pub location_id: &'static str,
    /// What there was after it.
    #[schema(value_type = BalancesBody)]
    pub balances: Balances,
    /// What made it.
    pub cause: CauseBody,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<&LedgerMovement> for MovementBody {
    fn from(movement: &LedgerMovement) -> Self {
        let (order_id, order_number) = movement.owner.as_ref().map(order_of).unzip();
        Self {
            movement_id: movement.id.to_string(),
            product_id: movement.product,
            product_name: movement.product_name.clone(),
            order_id,
            order_number: order_number.flatten(),
            reservation_id: movement.owner.as_ref().map(Owner::to_string),
            line_id: movement.line_id,
            kind: movement.kind,
            on_hand_delta: movement.on_hand_delta,
            reserved_delta: movement.reserved_delta,
            hold_id: movement.hold.map(|h| h.to_string()),
            location_id: DEFAULT_LOCATION,
            balances: movement.balances,
            cause: (&movement.cause).into(),
            at: movement.at,
        }
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident = $data:ty, $meta:ty;)*) => {
        $($(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[expect(dead_code, reason = "the API document's view of an answer")]
        pub(super) struct $name {
            /// Always `true`.
            #[schema(example = true)]
            success: bool,
            /// What was done, for people.
            message: String,
            /// The result.
            data: $data,
            /// About the result.
            meta: $meta,
        })*
    };
}

answers! {
    /// A page of the catalogue.
    ProductPageAnswer = ProductList, PageMeta;
    /// A stretch of a product's open holds, oldest first.
    HoldsAnswer = super::holds::HoldList, CursorMeta;
    /// A stretch of a product's movements, newest first.
    MovementsAnswer = super::movements::MovementList, CursorMeta;
}
