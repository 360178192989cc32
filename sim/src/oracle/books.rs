//! The oracle's own books.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::stock::Balances;
use holdfast_contract::{OrderId, OrderStatus, ProductId, ReservationId, StockStatus};
use holdfast_orders::domain::Order;
use holdfast_products::domain::{Decision, Hold, HoldId, MovementId};
use holdfast_storage::{Position, Seq, TopicPartition};
use rustc_hash::FxHashMap;

/// A group's positions.
#[derive(Default)]
pub(crate) struct Positions(FxHashMap<TopicPartition, Position>);

impl Positions {
    pub(super) fn insert(&mut self, partition: TopicPartition, to: Position) -> Option<Position> {
        self.0.insert(partition, to)
    }
}

/// An order, and what was seen of it.
pub(crate) struct OrderEntry {
    pub(crate) order: Arc<Order>,
    /// What it was in each version, the first one first.
    pub(crate) versions: Vec<(OrderStatus, StockStatus)>,
}

#[derive(Default)]
pub(crate) struct OrderBook {
    pub(crate) orders: FxHashMap<OrderId, OrderEntry>,
    pub(crate) placed: Vec<OrderId>,
    /// By the step of the plan that placed them.
    pub(crate) by_step: BTreeMap<u64, Vec<OrderId>>,
    pub(crate) positions: Positions,
    /// The newest record of the journal that was looked at.
    pub(crate) seen: Seq,
}

/// A product, as far as stock goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShelfEntry {
    pub(crate) balances: Balances,
    pub(crate) version: u64,
    pub(crate) last_movement: Option<MovementId>,
    pub(crate) active: bool,
    pub(crate) hidden: bool,
    pub(crate) price: u64,
    /// Received and adjusted, minus fulfilled, plus returned.
    pub(crate) owned: i64,
}

/// What was decided on a reservation, all of it.
#[derive(Default)]
pub(crate) struct DecisionEntry {
    pub(crate) history: Vec<Arc<Decision>>,
    /// What its open holds have, by product.
    pub(crate) held: BTreeMap<ProductId, u64>,
}

#[derive(Default)]
pub(crate) struct StockBook {
    pub(crate) shelves: BTreeMap<ProductId, ShelfEntry>,
    pub(crate) made: Vec<ProductId>,
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    pub(crate) decisions: FxHashMap<ReservationId, DecisionEntry>,
    pub(crate) last_movement: u64,
    pub(crate) by_step: BTreeMap<u64, usize>,
    pub(crate) positions: Positions,
    pub(crate) seen: Seq,
}
