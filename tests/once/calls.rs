//! The calls that are made, each with a key of its own, and what they are made on.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{Client, Dice, Holdfast, order, place, product};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Place,
    /// `PATCH …/cancel`.
    Cancel,
    /// `PATCH …/status` to Processing: refused until the stock is reserved, so the answer depends on when it was first.
    Process,
    Edit,
    DeleteOrder,
    Adjust,
    Create,
    /// `PUT` of a product, on the version that it was made with: a second one would be refused.
    Update,
    DeleteProduct,
    Reserve,
    Release,
}

const KINDS: [(Kind, u64); 11] = [
    (Kind::Place, 30),
    (Kind::Cancel, 10),
    (Kind::Process, 10),
    (Kind::Edit, 5),
    (Kind::DeleteOrder, 5),
    (Kind::Adjust, 10),
    (Kind::Create, 10),
    (Kind::Update, 5),
    (Kind::DeleteProduct, 5),
    (Kind::Reserve, 5),
    (Kind::Release, 5),
];

/// A call with its key.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    /// The order or product that it is about; empty for a new one.
    pub(crate) id: String,
    pub(crate) body: Value,
}

/// What calls are made on.
pub(crate) struct Shop {
    /// Products that are ordered, adjusted and held; the first has plenty, the second runs short when it is adjusted.
    pub(crate) products: [String; 2],
    /// Products that the catalogue had before the calls.
    pub(crate) catalogue: usize,
    calls: Vec<Call>,
}

/// On hand of the two products.
pub(crate) const ON_HAND: [u32; 2] = [1_000_000, 50];

impl Shop {
    /// Makes the products and orders that `keys` calls need.
    pub(crate) fn open(system: &Holdfast, keys: usize, dice: &mut Dice) -> Self {
        let mut orders = Client::connect(system.orders).unwrap();
        let mut catalogue = Client::connect(system.products).unwrap();
        let products = ON_HAND.map(|stock| product(&mut catalogue, "Test Product", stock));
        let mut made = products.len();
        let all: u64 = KINDS.iter().map(|(_, weight)| weight).sum();
        let mut calls = Vec::with_capacity(keys);
        for n in 0..keys {
            let mut at = dice.roll(all);
            let (kind, _) = *KINDS
                .iter()
                .find(|(_, weight)| {
                    let found = at < *weight;
                    at = at.wrapping_sub(*weight);
                    found
                })
                .unwrap();
            let key = format!("key-{n}");
            let mut fresh = |catalogue: &mut Client| {
                made += 1;
                product(catalogue, "Another", 5)
            };
            let (id, body) = match kind {
                Kind::Place => {
                    let mut body = order(&[(&products[0], 1)]);
                    body["userId"] = json!(key);
                    (String::new(), body)
                }
                Kind::Cancel => (place(&mut orders, &[(&products[0], 1)]), json!({"reason": key})),
                Kind::Process => (place(&mut orders, &[(&products[0], 1)]), json!({"status": 2})),
                Kind::Edit => (place(&mut orders, &[(&products[0], 1)]), json!({"metadata": {"by": key}})),
                Kind::DeleteOrder => (place(&mut orders, &[(&products[0], 1)]), Value::Null),
                Kind::Adjust => match n % 2 {
                    0 => (products[0].clone(), json!({"delta": 1, "reason": key})),
                    _ => (products[1].clone(), json!({"delta": -1, "reason": key})),
                },
                Kind::Create => (String::new(), json!({"name": key, "price": 1, "stock": 2, "sku": key})),
                Kind::Update => (fresh(&mut catalogue), json!({"price": 2, "version": 1})),
                Kind::DeleteProduct => (fresh(&mut catalogue), Value::Null),
                Kind::Reserve | Kind::Release => {
                    (products[0].clone(), json!({"quantity": 1, "orderId": key}))
                }
            };
            calls.push(Call { kind, key, id, body });
        }
        Self { products, catalogue: made, calls }
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl Call {
    /// Where it goes and what is sent.
    pub(crate) fn request(&self, system: &Addresses) -> (SocketAddr, Vec<u8>) {
        let Addresses { orders, products } = *system;
        let id = &self.id;
        let (addr, method, path) = match self.kind {
            Kind::Place => (orders, "POST", "/api/v1/orders".to_owned()),
            Kind::Cancel => (orders, "PATCH", format!("/api/v1/orders/{id}/cancel")),
            Kind::Process => (orders, "PATCH", format!("/api/v1/orders/{id}/status")),
            Kind::Edit => (orders, "PUT", format!("/api/v1/orders/{id}")),
            Kind::DeleteOrder => (orders, "DELETE", format!("/api/v1/orders/{id}")),
            Kind::Adjust => (products, "POST", format!("/api/v1/products/{id}/adjust")),
            Kind::Create => (products, "POST", "/api/v1/products".to_owned()),
            Kind::Update => (products, "PUT", format!("/api/v1/products/{id}")),
            Kind::DeleteProduct => (products, "DELETE", format!("/api/v1/products/{id}")),
            Kind::Reserve => (products, "POST", format!("/api/v1/products/{id}/reserve")),
            Kind::Release => (products, "POST", format!("/api/v1/products/{id}/release")),
        };
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nidempotency-key: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        (addr, request.into_bytes())
    }
}

/// Where the services of a life listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) orders: SocketAddr,
    pub(crate) products: SocketAddr,
}

impl From<&Holdfast> for Addresses {
    fn from(system: &Holdfast) -> Self {
        Self { orders: system.orders, products: system.products }
    }
}
