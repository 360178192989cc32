//! What a check looks at in an Orders store.

use std::sync::Arc;

use holdfast_contract::OrderId;
use holdfast_orders::domain::Order;
use holdfast_orders::store::TimelineStep;

use super::super::view::View;
use super::Orders;

impl Orders {
    pub(super) fn get(&self, id: OrderId) -> Option<&Arc<Order>> {
        self.entries.get(&id).map(|entry| &entry.order)
    }
}

impl<'a> View<'a, Orders> {
    fn body(&self) -> &'a Orders {
        &self.state.body
    }

    /// The orders that the newest commit changed, or wrote a note about; one may come several times.
    pub fn changed(&self) -> &'a [OrderId] {
        &self.body().changed
    }

    /// Every order, hidden ones too, in the order of their ids.
    pub fn orders(&self) -> impl Iterator<Item = &'a Arc<Order>> + use<'a> {
        self.body().entries.values().map(|entry| &entry.order)
    }

    /// One order, also a hidden one.
    pub fn order(&self, id: OrderId) -> Option<&'a Arc<Order>> {
        self.body().get(id)
    }

    /// How many orders there are, with hidden ones.
    pub fn count(&self) -> usize {
        self.body().entries.len()
    }

    /// The greatest id.
    pub fn newest_order(&self) -> Option<OrderId> {
        self.body().entries.last_key_value().map(|(id, _)| *id)
    }

    /// The orders that wait for Products, in the order of their ids.
    pub fn waiting(&self) -> impl Iterator<Item = OrderId> + use<'a> {
        self.body().waiting.iter().copied()
    }

    /// How long an order's history is; 0 if there is no such order.
    pub fn history_len(&self, id: OrderId) -> usize {
        self.body().entries.get(&id).map_or(0, |entry| entry.steps.len())
    }

    /// An order's history, oldest step first, with the journal's places.
    pub fn history(&self, id: OrderId) -> impl Iterator<Item = &'a TimelineStep> + use<'a> {
        let steps = self.body().entries.get(&id).map_or(&[][..], |entry| entry.steps.as_slice());
        steps.iter().map(super::history::Step::in_journal)
    }

    /// How many answers to requests with an `Idempotency-Key` are kept.
    pub fn answers(&self) -> usize {
        self.body().answers.len()
    }
}
