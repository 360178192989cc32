//! What is there at the end, read over HTTP as any client can.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use holdfast_contract::OrderId;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::http::{Call, Http};
use super::shop::Shop;
use super::system::Service;
use super::view::{HoldView, MovementView, OrderView, ProductView};

/// Between two looks at an order that is still to be decided.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) orders: BTreeMap<OrderId, OrderView>,
    pub(crate) products: Vec<ProductView>,
    pub(crate) movements: Vec<MovementView>,
    pub(crate) holds: Vec<HoldView>,
}

/// Reads it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) http: &'a mut Http,
    pub(crate) deadline: Instant,
    pub(crate) give_up: &'a CancellationToken,
}

impl Reader<'_> {
    /// Waits until every order rests, or until the deadline; then reads everything.
    ///
    /// # Errors
    /// If something cannot be read until the deadline.
    pub(crate) async fn read(&mut self, shop: &Shop) -> anyhow::Result<World> {
        for order in self.orders().await?.values().filter(|order| !order.rests()) {
            self.until_it_rests(order.id).await?;
        }
        let mut world = World { orders: self.orders().await?, ..World::default() };
        for product in shop.products.iter() {
            let path = format!("/api/v1/products/{}", product.text);
            let found = self.get(Service::Products, path.clone()).await?;
            world.products.push(serde_json::from_value(found["data"]["product"].clone())?);
            world
                .movements
                .extend(self.all(Service::Products, &format!("{path}/movements"), "movements").await?);
            world.holds.extend(self.all(Service::Products, &format!("{path}/holds"), "holds").await?);
        }
        Ok(world)
    }

    async fn orders(&mut self) -> anyhow::Result<BTreeMap<OrderId, OrderView>> {
        let all: Vec<OrderView> = self.all(Service::Orders, "/api/v1/orders", "orders").await?;
        Ok(all.into_iter().map(|order| (order.id, order)).collect())
    }

    async fn until_it_rests(&mut self, id: OrderId) -> anyhow::Result<()> {
        while Instant::now() < self.deadline && !self.give_up.is_cancelled() {
            let found = self.get(Service::Orders, format!("/api/v1/orders/{id}")).await?;
            match OrderView::of(&found["data"]["order"]) {
                Some(order) if !order.rests() => sleep(LOOK_EVERY).await,
                _ => break,
            }
        }
        Ok(())
    }

    /// A whole list, page by page.
    async fn all<T: DeserializeOwned>(
        &mut self,
        service: Service,
        path: &str,
        list: &str,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(service, format!("{path}?limit=200{cursor}")).await?;
            let items: Vec<T> = serde_json::from_value(page["data"][list].clone())
                .with_context(|| format!("reading {path}"))?;
            all.extend(items);
            match page["meta"]["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    async fn get(&mut self, service: Service, path: String) -> anyhow::Result<Value> {
        let call = Call::get(service, path);
        loop {
            let reply = self.http.ask(&call).await;
            match reply {
                Some(reply) if reply.status == 200 => return Ok(reply.body),
                Some(reply) if !reply.says_later() => bail!("{}: {}", call.name(), reply.name()),
                _ if Instant::now() > self.deadline || self.give_up.is_cancelled() => {
                    bail!("{} is not answered", call.name())
                }
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }
}
