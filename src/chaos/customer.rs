//! A client that changes things, and sends again with its key whatever was not answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_contract::{OrderId, OrderStatus, ProductId};
use holdfast_sim::Dice;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::finding::Kind;
use super::http::{Call, Http, Reply};
use super::shop::Shop;
use super::system::Service;
use super::told::{Adjusted, HttpHold, Told};
use super::view::OrderView;
use crate::client::order::{self, Line};

/// Orders that a client goes on with; older ones stay as they are.
const KEPT: usize = 24;
/// After no answer, or one that says to come again; in milliseconds.
const REST: u64 = 150;

/// Orders at `path` of the orders service.
const ORDERS: &str = "/api/v1/orders";
const PRODUCTS: &str = "/api/v1/products";

/// A client.
#[derive(Debug)]
pub(crate) struct Customer {
    name: String,
    dice: Dice,
    http: Http,
    shop: Shop,
    told: Arc<Told>,
    /// The longest pause between two requests, in milliseconds.
    think: u64,
    /// No new requests after it.
    stop: CancellationToken,
    /// What is not answered then stays so.
    give_up: CancellationToken,
    orders: Vec<Known>,
    holds: Vec<(String, ProductId, u32)>,
    /// Requests with a key, and what they were answered.
    done: Vec<(Call, Bytes)>,
    sent: u64,
}

/// An order of its own, as it was last told.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: OrderId,
    status: OrderStatus,
    version: u64,
}

/// What all clients share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) shop: Shop,
    pub(crate) told: Arc<Told>,
    pub(crate) think: u64,
    pub(crate) stop: CancellationToken,
    pub(crate) give_up: CancellationToken,
}

impl Customer {
    /// `name` is no other client's.
    pub(crate) fn new(name: String, dice: Dice, http: Http, common: Common) -> Self {
        let Common { shop, told, think, stop, give_up } = common;
        let (orders, holds, done) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, dice, http, shop, told, think, stop, give_up, orders, holds, done, sent: 0 }
    }

    /// Changes things until it is stopped; then sends again what is not answered yet, until that is too.
    pub(crate) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let think = self.dice.millis(self.think);
            tokio::time::sleep(think).await;
            self.act().await;
        }
    }

    async fn act(&mut self) {
        match self.dice.below(100) {
            0..40 => self.place().await,
            40..58 => self.advance().await,
            58..67 => self.cancel().await,
            67..76 => self.look().await,
            76..81 => self.adjust().await,
            81..87 => self.reserve().await,
            87..92 => self.release().await,
            92..94 => self.delete().await,
            94..97 => self.edit().await,
            _ => self.again().await,
        }
    }

    async fn place(&mut self) {
        let key = self.next_key();
        let count = 1 + self.dice.index(4);
        let lines: Vec<_> = (0..count)
            .map(|_| (self.shop.any(&mut self.dice).clone(), 1 + self.dice.index(3) as u32))
            .collect();
        let lines: Vec<Line<'_>> = lines
            .iter()
            .map(|(product, quantity)| Line {
                product: &product.text,
                name: &product.name,
                quantity: *quantity,
            })
            .collect();
        // A dozen units at most: there is such a total.
        let Ok(body) = order::order(&key, &lines) else { return };
        let call = self.call(Service::Orders, Method::POST, ORDERS.to_owned(), Some(key.clone()), body);
        let Some(reply) = self.deliver(&call).await else { return };
        if reply.status != 201 {
            return self.wrong(&call, &reply);
        }
        let Some(view) = self.order_of(&call, &reply) else { return };
        if view.user_id != key {
            return self.wrong(&call, &reply);
        }
        self.remember(&view);
        self.promised("placed", &call, view);
        self.keep(call, &reply);
    }

    async fn advance(&mut self) {
        let Some(Known { id, status, .. }) = self.any_order() else { return self.place().await };
        let to = match status {
            OrderStatus::Pending => OrderStatus::Processing,
            OrderStatus::Processing => OrderStatus::Shipped,
            _ => OrderStatus::Delivered,
        };
        let body = json!({"status": to, "trackingNumber": format!("T-{}", self.sent)});
        let path = format!("{ORDERS}/{id}/status");
        self.change(id, Method::PATCH, path, body, &["STOCK_NOT_RESERVED", "INVALID_TRANSITION"]).await;
    }

    async fn cancel(&mut self) {
        let Some(Known { id, .. }) = self.any_order() else { return self.place().await };
        let (path, body) = if self.dice.percent(50) {
            (format!("{ORDERS}/{id}/cancel"), json!({"reason": "chaos"}))
        } else {
            (format!("{ORDERS}/{id}/status"), json!({"status": "cancelled"}))
        };
        self.change(id, Method::PATCH, path, body, &["INVALID_TRANSITION"]).await;
    }

    /// A change of an order that may be refused with these codes.
    async fn change(&mut self, id: OrderId, method: Method, path: String, body: Value, allowed: &[&str]) {
        let key = self.next_key();
        let call = self.call(Service::Orders, method, path, Some(key), body.to_string().into());
        let Some(reply) = self.deliver(&call).await else { return };
        match reply.status {
            200 => {
                let Some(view) = self.order_of(&call, &reply) else { return };
                self.remember(&view);
                self.promised("changed", &call, view);
                self.keep(call, &reply);
            }
            412 | 422 if allowed.contains(&reply.code()) => {
                self.told.so_far().counts.refused += 1;
                // Not as it was thought to be: rejected, perhaps.
                self.read(id).await;
            }
            _ => self.wrong(&call, &reply),
        }
    }

    async fn delete(&mut self) {
        let Some(Known { id, .. }) = self.any_order() else { return self.place().await };
        let key = self.next_key();
        let path = format!("{ORDERS}/{id}");
        let call = self.call(Service::Orders, Method::DELETE, path, Some(key), Bytes::new());
        let Some(reply) = self.deliver(&call).await else { return };
        match (reply.status, reply.code()) {
            (200, _) => {
                self.orders.retain(|order| order.id != id);
                self.told.promise(&format!("deleted {id}"), call.key.as_deref(), |promises| {
                    if let Some(order) = promises.orders.get_mut(&id) {
                        order.deleted = true;
                    }
                });
                self.keep(call, &reply);
            }
            (422, "ORDER_NOT_DELETABLE") => self.told.so_far().counts.refused += 1,
            _ => self.wrong(&call, &reply),
        }
    }

    /// Its own edit that was not answered must not be what refuses it when it is sent again.
    async fn edit(&mut self) {
        let Some(Known { id, version, .. }) = self.any_order() else { return self.place().await };
        let body = json!({"metadata": {"edit": self.sent}, "version": version});
        self.change(id, Method::PUT, format!("{ORDERS}/{id}"), body, &["VERSION_CONFLICT"]).await;
    }

    async fn look(&mut self) {
        match self.any_order() {
            Some(order) => self.read(order.id).await,
            None => self.place().await,
        }
    }

    /// Reads an order back: what is told there counts too.
    async fn read(&mut self, id: OrderId) {
        let call = Call::get(Service::Orders, format!("{ORDERS}/{id}"));
        let Some(reply) = self.deliver(&call).await else { return };
        match reply.status {
            200 => {
                let Some(view) = self.order_of(&call, &reply) else { return };
                self.remember(&view);
                self.promised("read", &call, view);
            }
            404 => {
                self.told.find(Kind::AcknowledgedLost.finding(format!("order {id} is not found any more")))
            }
            _ => self.wrong(&call, &reply),
        }
    }

    async fn adjust(&mut self) {
        let reason = self.next_key();
        let product = self.shop.any(&mut self.dice).clone();
        let delta = match self.dice.below(20) {
            0..10 => self.dice.below(10) as i64 - 10,
            _ => self.dice.below(12) as i64 + 1,
        };
        let body = json!({"delta": delta, "reason": reason}).to_string();
        let path = format!("{PRODUCTS}/{}/adjust", product.text);
        let call = self.call(Service::Products, Method::POST, path, Some(reason.clone()), body.into());
        let Some(reply) = self.deliver(&call).await else { return };
        let done = reply.status == 200;
        if !done && (reply.status, reply.code()) != (409, "STOCK_HELD") {
            return self.wrong(&call, &reply);
        }
        self.told.promise(
            &format!("{delta:+} of {}: {done}", product.text),
            call.key.as_deref(),
            |promises| {
                promises.adjusted.insert(reason, Adjusted { product: product.id, delta, done });
            },
        );
        self.keep(call, &reply);
    }

    async fn reserve(&mut self) {
        let name = self.next_key();
        let product = self.shop.any(&mut self.dice).clone();
        let quantity = 1 + self.dice.index(3) as u32;
        let body = json!({"quantity": quantity, "orderId": name}).to_string();
        let path = format!("{PRODUCTS}/{}/reserve", product.text);
        // With a key: without one, an attempt that was given up may take effect after a later one was refused.
        let call = self.call(Service::Products, Method::POST, path, Some(name.clone()), body.into());
        let Some(reply) = self.deliver(&call).await else { return };
        match (reply.status, reply.code()) {
            (200, _) if reply.body["data"]["reservedQuantity"] == quantity => {
                self.holds.push((name.clone(), product.id, quantity));
                self.told.promise(
                    &format!("reserved {quantity} of {} for {name}", product.text),
                    None,
                    |p| {
                        p.held.insert((name, product.id), HttpHold { quantity, released: false });
                    },
                );
            }
            (409, "INSUFFICIENT_STOCK") => self.told.so_far().counts.refused += 1,
            _ => self.wrong(&call, &reply),
        }
    }

    async fn release(&mut self) {
        if self.holds.is_empty() {
            return self.reserve().await;
        }
        let (name, product, quantity) = self.holds.swap_remove(self.dice.index(self.holds.len()));
        let body = json!({"quantity": quantity, "orderId": name}).to_string();
        let path = format!("{PRODUCTS}/{product}/release");
        let key = self.next_key();
        let call = self.call(Service::Products, Method::POST, path, Some(key), body.into());
        let Some(reply) = self.deliver(&call).await else { return };
        if reply.status != 200 || reply.body["data"]["releasedQuantity"] != quantity {
            return self.wrong(&call, &reply);
        }
        self.told.promise(&format!("released {quantity} of {product} for {name}"), None, |promises| {
            promises.held.insert((name, product), HttpHold { quantity, released: true });
        });
    }

    /// Sends again what was answered long ago: the answer has to be the same.
    async fn again(&mut self) {
        let Some((call, first)) = self.dice.pick(&self.done).cloned() else { return self.place().await };
        let Some(reply) = self.deliver(&call).await else { return };
        if reply.text == first {
            self.told.so_far().counts.same_answer += 1;
        } else {
            let (call, reply) = (call.name(), reply.name());
            let first = String::from_utf8_lossy(&first).chars().take(300).collect::<String>();
            let what = format!("{call} was answered {first} and then, sent again, {reply}");
            self.told.find(Kind::DoubleEffects.finding(what));
        }
    }

    /// Sends until there is an answer that does not say to come again. `None`: it was given up.
    async fn deliver(&mut self, call: &Call) -> Option<Reply> {
        let mut unanswered = false;
        let since = Instant::now();
        self.told.so_far().counts.requests += 1;
        loop {
            let reply = self.http.ask(call).await;
            match reply {
                Some(reply) if reply.fault().is_some() => {
                    self.wrong(call, &reply);
                    return None;
                }
                Some(reply) if reply.says_later() => self.told.so_far().counts.come_again += 1,
                Some(reply) => {
                    if unanswered && reply.replayed {
                        self.told.so_far().counts.had_taken_effect += 1;
                    }
                    return Some(reply);
                }
                None => {
                    let mut promises = self.told.so_far();
                    promises.counts.unanswered += u64::from(!unanswered);
                    unanswered = true;
                }
            }
            let rest = self.dice.millis(REST) + Duration::from_millis(10);
            if self.give_up.run_until_cancelled(tokio::time::sleep(rest)).await.is_none() {
                let what = format!("{}: for {} s", call.name(), since.elapsed().as_secs());
                self.told.find(Kind::Unanswered.finding(what));
                return None;
            }
        }
    }

    fn next_key(&mut self) -> String {
        self.sent += 1;
        format!("{}-{}", self.name, self.sent)
    }

    fn call(&self, service: Service, method: Method, path: String, key: Option<String>, body: Bytes) -> Call {
        Call { service, method, path, key, body }
    }

    fn order_of(&self, call: &Call, reply: &Reply) -> Option<OrderView> {
        let view = OrderView::of(&reply.body["data"]["order"]);
        if view.is_none() {
            self.wrong(call, reply);
        }
        view
    }

    fn promised(&self, what: &str, call: &Call, view: OrderView) {
        let text = format!(
            "{what} {}: version {}, {}, stock {}",
            view.id,
            view.version,
            view.status.label(),
            view.stock_status
        );
        self.told.promise(&text, call.key.as_deref(), |promises| promises.order(view));
    }

    fn wrong(&self, call: &Call, reply: &Reply) {
        let fault = reply.fault().map(|fault| format!(" ({fault})")).unwrap_or_default();
        let what = format!("{}: {}{fault}", call.name(), reply.name());
        self.told.find(Kind::OutsideContract.finding(what));
    }

    fn any_order(&mut self) -> Option<Known> {
        self.dice.pick(&self.orders).copied()
    }

    /// Goes on with an order, unless it is at its end.
    fn remember(&mut self, view: &OrderView) {
        self.orders.retain(|order| order.id != view.id);
        if !matches!(view.status, OrderStatus::Delivered | OrderStatus::Cancelled) || self.dice.percent(20) {
            self.orders.push(Known { id: view.id, status: view.status, version: view.version });
        }
        if self.orders.len() > KEPT {
            self.orders.remove(0);
        }
    }

    fn keep(&mut self, call: Call, reply: &Reply) {
        self.done.push((call, reply.text.clone()));
        if self.done.len() > KEPT {
            self.done.remove(0);
        }
    }
}
