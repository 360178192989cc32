//! What clients were told, and what they are still waiting for.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_service::test_support::TestResponse;
use serde_json::{Value, json};

/// Which service a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Orders,
    Products,
}

/// A call, ready to be made any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
    pub(crate) effect: Effect,
}

/// What a 2xx to a call means.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Product { stock: i64 },
    Order { user: String },
    Status { order: String, to: u64 },
    Adjusted { product: usize, delta: i64 },
    Reserved { product: usize, order: String, quantity: i64 },
    Released { product: usize, order: String },
    Discarded,
}

impl Call {
    /// Whether making it again is the same as making it once. An order without a key is the one that is not.
    pub(crate) fn may_be_repeated(&self) -> bool {
        self.key.is_some() || !matches!(self.effect, Effect::Order { .. })
    }
}

/// A product: its id, and what must be on hand if nothing was shipped.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) on_hand: i64,
}

/// An answer that must be given again.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) call: Call,
    pub(crate) status: u16,
    pub(crate) answer: Value,
}

/// Everything that clients know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) products: Vec<Item>,
    /// Accepted orders: the status that was answered last.
    pub(crate) orders: BTreeMap<String, u64>,
    /// What every user has ordered; each orders once. By product, how much.
    pub(crate) wanted: BTreeMap<String, Vec<(usize, i64)>>,
    /// Users whose order was not answered: it may be there or not.
    pub(crate) unsure: BTreeSet<String>,
    /// Of the HTTP holds that were answered: by order id and product.
    pub(crate) holds: BTreeMap<(String, usize), i64>,
    pub(crate) kept: Vec<Kept>,
    /// The call that has no answer yet.
    pub(crate) in_flight: Option<Call>,
}

impl Book {
    /// Notes the answer to a call.
    pub(crate) fn note(&mut self, call: &Call, response: &TestResponse) {
        let status = response.status.as_u16();
        self.in_flight = None;
        if status >= 500 {
            if let Effect::Order { user } = &call.effect
                && call.key.is_none()
            {
                self.unsure.insert(user.clone());
            }
            return;
        }
        if call.key.is_some() {
            self.kept.push(Kept { call: call.clone(), status, answer: response.json.clone() });
        }
        if status >= 300 {
            return;
        }
        let data = &response.json["data"];
        let id = |what: &str| data[what]["_id"].as_str().unwrap().to_owned();
        match &call.effect {
            Effect::Product { stock } => self.products.push(Item { id: id("product"), on_hand: *stock }),
            Effect::Order { .. } => drop(self.orders.insert(id("order"), 1)),
            Effect::Status { order, to } => drop(self.orders.insert(order.clone(), *to)),
            Effect::Adjusted { product, delta } => self.products[*product].on_hand += delta,
            Effect::Reserved { product, order, quantity } => {
                self.holds.insert((order.clone(), *product), *quantity);
            }
            Effect::Released { product, order } => drop(self.holds.remove(&(order.clone(), *product))),
            Effect::Discarded => {}
        }
    }
}

/// An order of `lines` (product, quantity), at the price that all products have.
pub(crate) fn order_body(book: &Book, user: &str, lines: &[(usize, i64)]) -> Value {
    let cents: i64 = lines.iter().map(|(_, quantity)| 2_999 * quantity).sum();
    let total: Value = serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
    let items: Vec<Value> = lines
        .iter()
        .map(|(product, quantity)| {
            let id = &book.products[*product].id;
            json!({"productId": id, "productName": "Test Product", "quantity": quantity, "price": 29.99})
        })
        .collect();
    json!({
        "userId": user,
        "items": items,
        "totalAmount": total,
        "shippingAddress": {"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"},
        "paymentMethod": "credit_card",
    })
}
