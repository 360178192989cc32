//! Whether a live client was told of each change of each order once and in order.

use std::collections::{BTreeMap, HashMap};

use holdfast_contract::{OrderId, OrderStatus, ProductId};
use serde::Deserialize;
use serde_json::Value;

use super::finding::{Finding, Kind};
use super::view::{OrderView, ProductView};

/// Findings kept of one client.
const KEPT: usize = 200;

/// What one client was told, over all its connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Story {
    orders: BTreeMap<OrderId, Chapter>,
    /// The newest version of each product.
    products: BTreeMap<ProductId, u64>,
    /// The last record of each partition: a client that resumes is given each partition in order.
    offsets: HashMap<String, u64>,
    pub(crate) messages: u64,
    pub(crate) findings: Vec<Finding>,
}

/// What was told of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chapter {
    version: u64,
    status: OrderStatus,
    /// The events of this version.
    events: u8,
    deleted: bool,
}

/// One message.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Message {
    event: String,
    pub(crate) seq: Option<String>,
    #[serde(default)]
    order: Value,
    #[serde(default)]
    product: Value,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    resumed: bool,
    #[serde(default)]
    reason: String,
}

/// The events about orders, each a bit.
const EVENTS: [&str; 5] =
    ["order:created", "order:status_changed", "order:cancelled", "order:completed", "order:updated"];
const CREATED: u8 = 1;
const STATUS_CHANGED: u8 = 1 << 1;
const CANCELLED: u8 = 1 << 2;
const COMPLETED: u8 = 1 << 3;

impl Message {
    /// Reads a frame's text.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it may be the first of a connection; `resumes`: of one that goes on where another one was.
    pub(crate) fn greets(&self, resumes: bool) -> bool {
        match self.event.as_str() {
            "ready" => self.resumed == resumes,
            // The service ends before it has said anything else.
            event => event == "server:shutdown",
        }
    }
}

impl Story {
    /// The next message that it was told.
    pub(crate) fn hear(&mut self, message: &Message) {
        self.messages += 1;
        match message.event.as_str() {
            "ready" | "position" | "server:shutdown" => return,
            "reload" => return self.find(Kind::LiveMissed, format!("told to reload: {}", message.reason)),
            "error" => return self.find(Kind::OutsideContract, format!("a live error: {message:?}")),
            _ => {}
        }
        let stamp = message.seq.as_deref().and_then(|seq| seq.split_once('~')).map_or("", |(stamp, _)| stamp);
        self.stamped(stamp, message);
        if let Some(bit) = EVENTS.iter().position(|event| *event == message.event) {
            match OrderView::of(&message.order) {
                Some(order) => self.told(&order, 1 << bit, message),
                None => {
                    self.find(Kind::OutsideContract, format!("a live message without its order: {message:?}"))
                }
            }
        } else if let Ok(product) = ProductView::deserialize(&message.product) {
            let newest = self.products.entry(product.id).or_default();
            *newest = (*newest).max(product.version);
            if let Some(fault) = product.fault() {
                self.find(Kind::Oversold, format!("a live message about product {}: {fault}", product.id));
            }
        } else {
            self.find(Kind::OutsideContract, format!("an unknown live message: {message:?}"));
        }
    }

    fn stamped(&mut self, stamp: &str, message: &Message) {
        let place =
            stamp.rsplit_once('/').and_then(|(place, offset)| Some((place, offset.parse::<u64>().ok()?)));
        let Some((place, offset)) = place else {
            return self
                .find(Kind::OutsideContract, format!("a live message without its record: {message:?}"));
        };
        let last = self.offsets.insert(place.to_owned(), offset);
        if last.is_some_and(|last| offset <= last) {
            self.find(Kind::LiveRepeated, format!("record {stamp} ({}) after {last:?}", message.event));
        }
    }

    fn told(&mut self, order: &OrderView, event: u8, message: &Message) {
        let (id, version) = (order.id, order.version);
        let name = &message.event;
        let chapter = Chapter { version, status: order.status, events: event, deleted: message.deleted };
        let Some(last) = self.orders.insert(id, chapter) else {
            if (version, event) != (1, CREATED) {
                self.find(Kind::LiveMissed, format!("order {id}: the first was {name} of version {version}"));
            }
            return;
        };
        if version == last.version {
            if last.events & event != 0 || event == CREATED {
                self.find(Kind::LiveRepeated, format!("order {id}: {name} of version {version} once more"));
            }
            let both =
                Chapter { events: last.events | event, deleted: last.deleted | message.deleted, ..chapter };
            self.orders.insert(id, both);
        } else if version < last.version {
            self.orders.insert(id, last);
            let what = format!("order {id}: {name} of version {version} after version {}", last.version);
            self.find(Kind::LiveRepeated, what);
        } else {
            self.closed(id, last);
            if version > last.version + 1 {
                let what = format!("order {id}: {name} of version {version} after version {}", last.version);
                self.find(Kind::LiveMissed, what);
            }
        }
    }

    /// No more events of this version come: those that belong together have to be there.
    fn closed(&mut self, id: OrderId, chapter: Chapter) {
        let Chapter { version, status, events, .. } = chapter;
        let ending = match status {
            OrderStatus::Cancelled => CANCELLED,
            OrderStatus::Delivered => COMPLETED,
            _ => return,
        };
        if (events & STATUS_CHANGED != 0) != (events & ending != 0) {
            let what =
                format!("order {id}: one of two events that it is {} in version {version}", status.label());
            self.find(Kind::LiveMissed, what);
        }
    }

    /// Whether it was told of this version of the order, or of a newer one.
    pub(crate) fn knows(&self, order: &OrderView) -> bool {
        self.orders.get(&order.id).is_some_and(|told| told.version >= order.version)
    }

    /// As [`Story::knows`], of a product's stock.
    pub(crate) fn knows_product(&self, product: &ProductView) -> bool {
        // A product that nothing has moved yet is told of by nobody.
        product.version <= 1 || self.products.get(&product.id).is_some_and(|told| *told >= product.version)
    }

    /// Compares it with what is there once everything has come to rest; gives all that was wrong with it.
    pub(crate) fn end(
        mut self,
        orders: &BTreeMap<OrderId, OrderView>,
        products: &[ProductView],
        deleted: impl Fn(OrderId) -> bool,
    ) -> Vec<Finding> {
        for (id, last) in std::mem::take(&mut self.orders) {
            self.closed(id, last);
            match orders.get(&id) {
                Some(order) if last.version == order.version => {}
                Some(order) => {
                    let what = format!(
                        "order {id}: version {} was the last, and it is {}",
                        last.version, order.version
                    );
                    self.find(Kind::LiveMissed, what);
                }
                None if deleted(id) && last.deleted => {}
                None if deleted(id) => {
                    self.find(Kind::LiveMissed, format!("order {id}: that it was deleted"))
                }
                None => {
                    self.find(Kind::AcknowledgedLost, format!("order {id} was told live and is not there"))
                }
            }
            self.orders.insert(id, last);
        }
        for order in orders.values().filter(|order| !self.orders.contains_key(&order.id)).collect::<Vec<_>>()
        {
            self.find(Kind::LiveMissed, format!("order {}: everything", order.id));
        }
        for product in products.iter().filter(|product| !self.knows_product(product)).collect::<Vec<_>>() {
            self.find(Kind::LiveMissed, format!("product {}: its version {}", product.id, product.version));
        }
        self.findings
    }

    fn find(&mut self, kind: Kind, what: String) {
        if self.findings.len() < KEPT {
            self.findings.push(kind.finding(what));
        }
    }
}
