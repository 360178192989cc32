//! The orders that are sent, and the products they ask for.

use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;

use crate::client::Client;
use crate::client::order::{self, Line};

/// Name of the products that the bench makes, before their number.
const NAME: &str = "Bench product";
/// The quick start's quantity.
const QUANTITY: u32 = 2;
/// What each product has: more than any run can ask for.
const STOCK: u64 = 1_000_000_000;
/// Bodies are made before the run. So many users share them.
const BODIES: usize = 1024;
const PAGE: usize = 100;

/// Bodies that are ready to send.
#[derive(Debug)]
pub(crate) struct Workload {
    path: Uri,
    bodies: Vec<Bytes>,
}

/// A product that orders can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Workload {
    /// The quick start's order with `lines` lines, spread evenly over `products` (at least one).
    pub(crate) fn new(products: &[Product], lines: u32) -> anyhow::Result<Self> {
        let lines = lines as usize;
        // A multiple of what spreads evenly: every product is asked for equally often.
        let count = products.len() * BODIES.div_ceil(products.len());
        let body = |number: usize| {
            let line = |line: usize| {
                let product = &products[(number * lines + line) % products.len()];
                Line { product: &product.id, name: &product.name, quantity: QUANTITY }
            };
            let lines: Vec<Line<'_>> = (0..lines).map(line).collect();
            order::order(&format!("bench-user-{}", number + 1), &lines)
        };
        Ok(Self {
            path: Uri::from_static("/api/v1/orders"),
            bodies: (0..count).map(body).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Where orders are posted.
    pub(crate) fn path(&self) -> &Uri {
        &self.path
    }

    /// The body of order `number`.
    pub(crate) fn body(&self, number: u64) -> Bytes {
        let count = self.bodies.len() as u64;
        self.bodies[usize::try_from(number % count).unwrap_or_default()].clone()
    }
}

/// Products for a server that does not look at them.
pub(crate) fn made_up(count: usize) -> Vec<Product> {
    (1..=count).map(|n| Product { id: format!("{n:024x}"), name: name(n) }).collect()
}

fn name(number: usize) -> String {
    format!("{NAME} {number:05}")
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Listed {
    products: Vec<Found>,
}

#[derive(Deserialize)]
struct Created {
    product: Found,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    stock: u64,
}

/// Finds the products that an earlier run made and that still have stock for this one, and makes the missing ones.
///
/// # Errors
/// If the products service cannot be reached, or refuses.
pub(crate) async fn prepare(client: &mut Client, count: usize, orders: u64) -> anyhow::Result<Vec<Product>> {
    let mut products = find(client, count, orders).await?;
    let mut number = products.len();
    while products.len() < count {
        number += 1;
        products.push(create(client, number).await?);
    }
    Ok(products)
}

async fn find(client: &mut Client, count: usize, orders: u64) -> anyhow::Result<Vec<Product>> {
    let mut found = Vec::new();
    for page in 1.. {
        let uri: Uri =
            format!("/api/v1/products?search=Bench%20product&sort=name&limit={PAGE}&page={page}").parse()?;
        let answer = client.get(&uri).await.context("listing products")?;
        if answer.status != StatusCode::OK {
            bail!("listing products: {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        let listed: Envelope<Listed> = serde_json::from_slice(&answer.body).context("listing products")?;
        let last = listed.data.products.len() < PAGE;
        // In a hot run every line of every order asks for one product.
        let enough = orders.saturating_mul(u64::from(QUANTITY)).saturating_mul(100).min(STOCK / 2);
        let usable =
            listed.data.products.into_iter().filter(|p| p.name.starts_with(NAME) && p.stock >= enough);
        found.extend(usable.map(|p| Product { id: p.id, name: p.name }));
        if last || found.len() >= count {
            break;
        }
    }
    found.truncate(count);
    Ok(found)
}

async fn create(client: &mut Client, number: usize) -> anyhow::Result<Product> {
    let body = serde_json::json!({
        "name": name(number),
        "description": "Made by holdfast bench.",
        "price": order::price()?,
        "category": "bench",
        "stock": STOCK,
    });
    let uri = Uri::from_static("/api/v1/products");
    let answer = client
        .exchange(Method::POST, &uri, serde_json::to_vec(&body)?.into())
        .await
        .context("making a product")?;
    if answer.status != StatusCode::CREATED {
        bail!("making a product: {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let created: Envelope<Created> = serde_json::from_slice(&answer.body).context("making a product")?;
    Ok(Product { id: created.data.product.id, name: created.data.product.name })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    fn bodies(workload: &Workload, count: u64) -> Vec<Value> {
        (0..count).map(|n| serde_json::from_slice(&workload.body(n)).unwrap()).collect()
    }

    #[test]
    fn the_order_is_that_of_the_quick_start() {
        let workload = Workload::new(&made_up(1), 1).unwrap();
        let text = String::from_utf8(workload.body(0).to_vec()).unwrap();
        assert!(text.contains(r#""quantity":2,"price":29.99}],"totalAmount":59.98,"#), "{text}");
        assert!(
            text.contains(r#""zipCode":"12345","country":"USA"},"paymentMethod":"credit_card"}"#),
            "{text}"
        );
    }

    #[test]
    fn every_product_is_asked_for_equally_often_and_once_an_order() {
        for (products, lines) in [(100, 1), (7, 3), (10, 10), (1, 1), (2000, 2)] {
            let workload = Workload::new(&made_up(products), lines).unwrap();
            let mut asked: BTreeMap<String, u32> = BTreeMap::new();
            for order in bodies(&workload, workload.bodies.len() as u64) {
                let items = order["items"].as_array().unwrap();
                let mut ids: Vec<&str> = items.iter().map(|i| i["productId"].as_str().unwrap()).collect();
                for id in &ids {
                    *asked.entry((*id).to_owned()).or_default() += 1;
                }
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), lines as usize);
            }
            assert_eq!(asked.len(), products);
            assert!(asked.values().all(|count| count == asked.values().next().unwrap()), "{asked:?}");
        }
    }

    #[test]
    fn the_total_is_exact_for_any_number_of_lines() {
        for (lines, total) in [(1, "59.98"), (3, "179.94"), (100, "5998")] {
            let workload = Workload::new(&made_up(3), lines).unwrap();
            assert_eq!(bodies(&workload, 1)[0]["totalAmount"].to_string(), total);
        }
    }
}
