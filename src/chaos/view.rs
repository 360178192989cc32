//! What the services' answers say, as far as it is looked at.

use std::collections::BTreeMap;

use holdfast_contract::{LineId, OrderId, OrderStatus, ProductId, StockStatus};
use serde::Deserialize;
use serde_json::Value;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderView {
    #[serde(rename = "_id")]
    pub(crate) id: OrderId,
    /// The key of the request that placed it, as chaos has it.
    pub(crate) user_id: String,
    pub(crate) items: Vec<ItemView>,
    pub(crate) total_amount: serde_json::Number,
    pub(crate) status: OrderStatus,
    pub(crate) stock_status: StockStatus,
    pub(crate) version: u64,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemView {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: u32,
}

/// A product, in answers and in live messages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductView {
    #[serde(rename = "_id")]
    pub(crate) id: ProductId,
    pub(crate) stock: i64,
    pub(crate) reserved: i64,
    pub(crate) on_hand: i64,
    pub(crate) version: u64,
}

/// A movement of a product's stock.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MovementView {
    pub(crate) product_id: ProductId,
    /// As the caller named it, if it was made over HTTP.
    #[serde(default)]
    pub(crate) order_id: Option<String>,
    #[serde(default)]
    pub(crate) line_id: Option<LineId>,
    pub(crate) kind: String,
    pub(crate) on_hand_delta: i64,
    pub(crate) cause: CauseView,
    pub(crate) balances: BalancesView,
}

/// What made a movement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct CauseView {
    /// Of a correction.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// What there was after a movement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalancesView {
    pub(crate) stock: i64,
    pub(crate) reserved: i64,
    pub(crate) on_hand: i64,
}

/// An open hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldView {
    pub(crate) product_id: ProductId,
    pub(crate) order_id: String,
    pub(crate) quantity: u32,
    /// `event` or `http`.
    pub(crate) source: String,
}

impl OrderView {
    /// Out of `data.order` of an answer, or `order` of a live message.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// How much of each product it asks for.
    pub(crate) fn demand(&self) -> BTreeMap<ProductId, i64> {
        let mut demand = BTreeMap::new();
        for item in &self.items {
            *demand.entry(item.product_id).or_default() += i64::from(item.quantity);
        }
        demand
    }

    /// Whether nothing more is to happen by itself.
    pub(crate) fn rests(&self) -> bool {
        use OrderStatus as O;
        use StockStatus as S;
        matches!(
            (self.status, self.stock_status),
            (O::Pending | O::Processing, S::Reserved)
                | (O::Shipped | O::Delivered, S::Fulfilled)
                | (O::Cancelled, S::Rejected | S::Released | S::Returned)
        )
    }
}

impl ProductView {
    /// What is wrong with its balances by themselves, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        BalancesView { stock: self.stock, reserved: self.reserved, on_hand: self.on_hand }.fault()
    }
}

impl BalancesView {
    /// See [`ProductView::fault`].
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { stock, reserved, on_hand } = self;
        let sound = *stock >= 0 && *reserved >= 0 && *on_hand == stock + reserved;
        (!sound).then(|| format!("stock {stock}, reserved {reserved}, on hand {on_hand}"))
    }
}
