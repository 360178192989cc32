//! The shapes of answers, for the API document. Orders are written by [`crate::domain::view`], not by these; the tests
//! hold what is written against them.

use holdfast_contract::{OrderStatus, PaymentMethod};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Schema, Type};

/// An order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Order)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderBody {
    /// Names the order: 24 hexadecimal digits.
    #[serde(rename = "_id")]
    #[schema(example = "691e66d0005e1b0c9a000001")]
    pub id: String,
    /// What people quote. Names the same order.
    #[schema(example = "ORD-05W4V6GA3Y001")]
    pub order_number: String,
    /// Whose it is.
    #[schema(example = "test-user-123")]
    pub user_id: String,
    /// What was ordered.
    pub items: Vec<ItemBody>,
    /// Sum of the lines, exact.
    #[schema(value_type = f64, example = 59.98)]
    pub total_amount: serde_json::Number,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// 1 Pending, 2 Processing, 3 Shipped, 4 Delivered, 5 Cancelled.
    #[schema(minimum = 1, maximum = 5, example = 1)]
    pub status: u8,
    /// The status in words.
    #[schema(example = "Pending")]
    pub status_label: String,
    /// What Products has said.
    pub stock_status: StockStatusWord,
    /// Names its reservation in the Products service.
    #[schema(example = "RSV-05W4V6GA3Y001")]
    pub reservation_id: String,
    /// Why it was cancelled: a text somebody gave, or `OUT_OF_STOCK`, `PRODUCT_NOT_FOUND`, `PRODUCT_INACTIVE`,
    /// `PRICE_CHANGED`, `PROCESSING_FAILED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// Every product that was short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortages: Option<Vec<ShortageBody>>,
    /// Where it goes.
    pub shipping_address: AddressBody,
    /// How it is paid.
    pub payment_method: PaymentMethodWord,
    /// Whether it is paid.
    pub payment_status: PaymentStatusWord,
    /// The parcel, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// When it was placed.
    #[schema(format = DateTime, example = "2025-11-20T00:53:20.120Z")]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime, example = "2025-11-20T00:53:20.120Z")]
    pub updated_at: String,
    /// When it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub shipped_at: Option<String>,
    /// When it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub delivered_at: Option<String>,
    /// When it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub cancelled_at: Option<String>,
    /// What the client keeps with it.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Counts the changes, from 1; also its `ETag`.
    #[schema(minimum = 1, example = 1)]
    pub version: u64,
}

/// A line of an order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderItem)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemBody {
    /// Its number in the order, from 1.
    #[schema(example = 1)]
    pub line_id: u16,
    /// Which product.
    #[schema(example = "64f0c2a1b2c3d4e5f6a7b8c9")]
    pub product_id: String,
    /// Its name, as it was ordered.
    #[schema(example = "Test Product")]
    pub product_name: String,
    /// How many.
    #[schema(example = 2)]
    pub quantity: u32,
    /// The price of one, exact.
    #[schema(value_type = f64, example = 29.99)]
    pub price: serde_json::Number,
}

/// A product that was short.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Shortage)]
#[serde(rename_all = "camelCase")]
pub struct ShortageBody {
    /// Which product.
    pub product_id: String,
    /// Its name, as it was ordered.
    pub product_name: String,
    /// The lines that asked for it.
    pub line_ids: Vec<u16>,
    /// How much they asked for together.
    #[schema(example = 5)]
    pub requested: i64,
    /// How much could have been had.
    #[schema(example = 2)]
    pub available: i64,
    /// Why it cannot be had.
    #[schema(example = "OUT_OF_STOCK")]
    pub reason: String,
}

/// Where an order goes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Address)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressBody {
    /// Street and number.
    #[schema(min_length = 1, max_length = 200, example = "123 Test St")]
    pub street: String,
    /// City.
    #[schema(min_length = 1, max_length = 200, example = "Test City")]
    pub city: String,
    /// State, province or region.
    #[schema(min_length = 1, max_length = 200, example = "TS")]
    pub state: String,
    /// Postal code.
    #[schema(min_length = 1, max_length = 20, example = "12345")]
    pub zip_code: String,
    /// Country.
    #[schema(min_length = 1, max_length = 200, example = "USA")]
    pub country: String,
}

/// What Products has said about an order's stock.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockStatus)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words speak for themselves")]
pub enum StockStatusWord {
    Pending,
    Reserved,
    Rejected,
    Released,
    Fulfilled,
    Returned,
}

/// How an order is paid. Requests may also use the codes 1 to 7, in this order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PaymentMethod)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words speak for themselves")]
pub enum PaymentMethodWord {
    CreditCard,
    DebitCard,
    Upi,
    NetBanking,
    Wallet,
    CashOnDelivery,
    Stripe,
}

/// Whether an order is paid.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PaymentStatus)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words speak for themselves")]
pub enum PaymentStatusWord {
    Pending,
    Paid,
    Failed,
    Refunded,
}

/// `data` of an answer about one order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderData {
    /// The order.
    pub order: OrderBody,
}

/// `data` of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrdersData {
    /// The orders on this page.
    pub orders: Vec<OrderBody>,
    /// How many are on this page.
    pub count: usize,
}

/// `meta` of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListMeta {
    /// Give it as `cursor` for the next page; `null` on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// How many match on all pages together; 10000 means "at least".
    #[schema(minimum = 0, maximum = 10000)]
    pub total: usize,
}

/// A list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderList {
    /// Always `true`.
    pub success: bool,
    /// What was done, for people.
    pub message: String,
    /// The orders.
    pub data: OrdersData,
    /// Where it goes on.
    pub meta: ListMeta,
}

/// A movement of stock, as an answer of Products carries it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = StockMovement)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MovementBody {
    /// Unique in the Products service.
    pub movement_id: String,
    /// Which product.
    #[schema(example = "64f0c2a1b2c3d4e5f6a7b8c9")]
    pub product_id: String,
    /// Its name at the time.
    pub product_name: String,
    /// The order's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_id: Option<u16>,
    /// Why it moved.
    #[schema(example = "reserved")]
    pub kind: String,
    /// Change of what is physically there.
    pub on_hand_delta: i64,
    /// Change of what is held.
    #[schema(example = 2)]
    pub reserved_delta: i64,
    /// The hold that was opened or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<String>,
    /// Where.
    #[schema(example = "default")]
    pub location_id: String,
    /// The balances after it.
    pub balances: BalancesBody,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
}

/// A product's balances.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = StockBalances)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BalancesBody {
    /// Available to sell.
    #[schema(example = 48)]
    pub stock: i64,
    /// Held for orders.
    #[schema(example = 2)]
    pub reserved: i64,
    /// Physically there.
    #[schema(example = 50)]
    pub on_hand: i64,
}

fn code(last: usize) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(last)).build()
}

fn word(words: impl IntoIterator<Item = String>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// A status in a body: its number or its name.
pub(super) fn status_input() -> Schema {
    let names = OrderStatus::ALL.map(|status| status.name().to_owned());
    OneOfBuilder::new()
        .item(code(OrderStatus::ALL.len()))
        .item(word(names))
        .description(Some("1 to 5, or the name."))
        .examples([json!(5), json!("cancelled")])
        .build()
        .into()
}

/// A status in a query, where numbers are text.
pub(super) fn status_parameter() -> Schema {
    let codes = OrderStatus::ALL.map(|status| status.code().to_string());
    word(codes.into_iter().chain(OrderStatus::ALL.map(|status| status.name().to_owned()))).into()
}

/// What a list is sorted by.
pub(super) fn sort_by() -> Schema {
    word(["date", "amount"].map(str::to_owned)).into()
}

/// In which direction.
pub(super) fn sort_order() -> Schema {
    word(["desc", "asc"].map(str::to_owned)).into()
}

/// A payment method in a body: its name, or its code as a number or as text.
pub(super) fn payment_method_input() -> Schema {
    let names = PaymentMethod::ALL.iter().map(|method| method.as_str().to_owned());
    let codes = (1..=PaymentMethod::ALL.len()).map(|code| code.to_string());
    OneOfBuilder::new()
        .item(word(names.chain(codes)))
        .item(code(PaymentMethod::ALL.len()))
        .description(Some(
            "A name, or its code: 1 credit_card, 2 debit_card, 3 upi, 4 net_banking, 5 wallet, 6 cash_on_delivery, \
             7 stripe.",
        ))
        .examples([json!("credit_card"), json!(1)])
        .build()
        .into()
}
