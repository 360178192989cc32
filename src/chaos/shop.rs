//! The products that clients fight over.

use std::sync::Arc;

use anyhow::{Context, ensure};
use holdfast_contract::ProductId;
use holdfast_sim::Dice;
use hyper::Method;
use serde_json::json;

use super::http::{Call, Http};
use super::system::Service;
use super::view::ProductView;
use crate::client::order;

/// Before the number of each product.
pub(crate) const NAME: &str = "Chaos product";
/// What each product has at first: scarce ones, limited ones, and plenty.
const STOCK: [u32; 12] = [40, 40, 400, 400, 400, 400, 5_000, 5_000, 100_000, 100_000, 1_000_000, 1_000_000];
/// So many times in a hundred a client wants the hot product: a scarce one.
const HOT: u64 = 15;

/// A product, and what there was of it.
#[derive(Clone, Debug)]
pub(crate) struct Stocked {
    pub(crate) id: ProductId,
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) initial: i64,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) products: Arc<Vec<Stocked>>,
}

impl Shop {
    /// Makes the products.
    ///
    /// # Errors
    /// If they are refused; nothing disturbs the system yet.
    pub(crate) async fn open(http: &mut Http) -> anyhow::Result<Self> {
        let mut products = Vec::new();
        for (number, stock) in STOCK.into_iter().enumerate() {
            let name = format!("{NAME} {number:02}");
            let body = json!({
                "name": name, "description": "Made by holdfast chaos.", "price": order::price()?,
                "category": "chaos", "stock": stock,
            });
            let call = Call {
                service: Service::Products,
                method: Method::POST,
                path: "/api/v1/products".to_owned(),
                key: Some(format!("chaos-product-{number}")),
                body: body.to_string().into(),
            };
            let reply = Self::until_answered(http, &call).await.context("making a product")?;
            ensure!(reply.status == 201, "making a product: {}", reply.name());
            let made: ProductView = serde_json::from_value(reply.body["data"]["product"].clone())?;
            products.push(Stocked {
                id: made.id,
                text: made.id.to_string(),
                name,
                initial: i64::from(stock),
            });
        }
        Ok(Self { products: Arc::new(products) })
    }

    /// A database that is still being prepared says to come again.
    async fn until_answered(http: &mut Http, call: &Call) -> anyhow::Result<super::http::Reply> {
        let deadline = tokio::time::Instant::now() + super::system::START;
        loop {
            match http.ask(call).await {
                Some(reply) if !reply.says_later() => return Ok(reply),
                _ if tokio::time::Instant::now() > deadline => anyhow::bail!("no answer to {}", call.name()),
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }

    /// One to ask for.
    pub(crate) fn any(&self, dice: &mut Dice) -> &Stocked {
        let place = if dice.percent(HOT) { 0 } else { dice.index(self.products.len()) };
        &self.products[place]
    }
}
