//! The beginning and the end of a run: the catalogue, and the rest after the storm.

use holdfast_bus::{ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::Topic;
use holdfast_products::decider::Create;

use super::request::Request;
use super::{World, details, product_id};
use crate::oracle::Violation;
use crate::plan::{Deployment, Op, Service};

/// Between two looks whether everything has come to rest, in milliseconds.
const LOOK: u64 = 2_000;
/// The longest that reading what was sent may take.
const READING: u64 = 20 * 60_000;
/// The longest that it may take: longer than anything in the product waits.
const PATIENCE: u64 = 6 * 3_600_000;
/// For what comes late: after everything is decided it goes on for so long.
const CALM: u64 = 10_000;

impl World {
    /// Fills the catalogue.
    pub(super) async fn stock_up(&mut self) {
        let stock = self.plan.stock.clone();
        for (number, on_hand) in (0..).zip(stock) {
            self.tend();
            let create = Create { id: product_id(number), details: details(number, true), on_hand };
            // Numbers that no step of the plan has.
            self.send(u64::from(u32::MAX) - number, Request::Create(create), 1, false);
            while !self.clients.is_empty() && self.run_until(self.system.schedule.now() + 10).await {}
        }
    }

    /// Nothing goes wrong any more: all that is parked is given up, and everything has to come to rest.
    pub(super) async fn finish(&mut self) {
        self.system.trace.say(format_args!("the end: nothing goes wrong any more"));
        self.heal();
        let begun = self.system.schedule.now();
        // Poison stops nobody: everything is read while it is still parked.
        while !self.is_consumed() {
            let now = self.system.schedule.now();
            if !self.run_until(now + LOOK).await {
                return;
            }
            if now - begun > READING {
                let what = "messages stay unread while others are parked".to_owned();
                return self.system.oracle.fail(Violation { invariant: 8, what });
            }
        }
        let begun = self.system.schedule.now();
        let mut calm_since = None;
        loop {
            let now = self.system.schedule.now();
            if !self.run_until(now + LOOK).await {
                return;
            }
            let now = self.system.schedule.now();
            if self.is_at_rest() {
                let since = *calm_since.get_or_insert(now);
                if now - since >= CALM {
                    break;
                }
            } else {
                calm_since = None;
                self.give_up_parked();
            }
            if now - begun > PATIENCE {
                break;
            }
        }
        self.system.oracle.finish().await;
        if calm_since.is_none() {
            let what = format!("it does not come to rest, with {} requests unanswered", self.clients.len());
            self.system.oracle.fail(Violation { invariant: 3, what });
        }
    }

    fn heal(&self) {
        self.system.orders_disk.heal();
        self.system.products_disk.heal();
        if let Some(broker) = &self.system.broker {
            broker.heal();
        }
        let now = self.system.schedule.now();
        for slot in &mut self.town.lock().slots {
            slot.starts_at = slot.starts_at.min(now);
            slot.down = 0;
            if let Some(instance) = &slot.instance {
                instance.process.heal();
            }
        }
    }

    /// Nobody asks, nobody waits, nothing is on its way.
    fn is_at_rest(&self) -> bool {
        let system = &self.system;
        let waiting = system.orders.look(|view| view.waiting().count());
        let parked = self.parked(Service::Orders).len() + self.parked(Service::Products).len();
        let unpublished = self.plan.deployment != Deployment::Embedded
            && (system.orders.look(|view| view.published() < view.newest())
                || system.products.look(|view| view.published() < view.newest()));
        self.clients.is_empty() && waiting == 0 && parked == 0 && !unpublished && self.is_consumed()
    }

    /// Every message was read.
    fn is_consumed(&self) -> bool {
        let system = &self.system;
        let orders = |partition| system.orders.look(|view| view.position(ORDERS_GROUP, partition));
        let products = |partition| system.products.look(|view| view.position(PRODUCTS_GROUP, partition));
        let ends = |topics: &'static [Topic], of: Service| match (&system.broker, of) {
            (Some(broker), _) => broker.bounds(topics),
            (None, Service::Orders) => system.orders.look(|view| view.bounds().collect()),
            (None, Service::Products) => system.products.look(|view| view.bounds().collect()),
        };
        let all = |topics: &'static [Topic], of| {
            ends(topics, of).into_iter().filter(|b| topics.contains(&b.partition.topic) && b.end > 0)
        };
        all(Topic::TO_PRODUCTS, Service::Orders)
            .all(|b| products(b.partition).is_some_and(|at| at.next == b.end))
            && all(Topic::TO_ORDERS, Service::Products)
                .all(|b| orders(b.partition).is_some_and(|at| at.next == b.end))
    }

    fn give_up_parked(&mut self) {
        for service in [Service::Orders, Service::Products] {
            for _ in 0..self.parked(service).len().min(20) {
                self.given_up += 1;
                let op = Op::Parked { service, message: self.given_up, discard: true };
                self.ask(u64::from(u32::MAX) + self.given_up, &op, 0);
            }
        }
    }
}
