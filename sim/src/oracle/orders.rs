//! What a commit of Orders must look like.

use std::fmt;
use std::sync::Arc;

use holdfast_contract::event::{Body, Event};
use holdfast_contract::{OrderStatus, StockStatus, Topic};
use holdfast_orders::domain::Order;
use holdfast_orders::store::Commit;
use holdfast_products::domain::Reservation;
use holdfast_storage::{Record, ToPark};

use super::books::OrderEntry;
use super::{Inbound, Place, State, Violation, broken, check_inbound, passed};

/// What the oracle looks at of a commit.
#[derive(Clone, Debug)]
pub(crate) struct OrdersCommit {
    orders: Vec<Arc<Order>>,
    pub(super) inbound: Inbound,
}

impl OrdersCommit {
    /// Of a commit that is about to be made.
    pub(crate) fn of(commit: &Commit) -> Self {
        let inbound = Inbound {
            advances: commit.advances.clone(),
            park: commit.park.clone(),
            unpark: commit.unpark.into_iter().collect(),
        };
        Self { orders: commit.changes.iter().map(|change| change.order().clone()).collect(), inbound }
    }
}

impl fmt::Display for OrdersCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for order in &self.orders {
            let (status, stock) = (order.status().name(), order.stock.status());
            write!(f, " {} v{} {status}/{stock}", order.id, order.version)?;
        }
        inbound(f, &self.inbound)
    }
}

/// Positions, and what is parked.
pub(super) fn inbound(f: &mut fmt::Formatter<'_>, inbound: &Inbound) -> fmt::Result {
    for advance in &inbound.advances {
        write!(f, " {}→{}.{}", advance.partition, advance.to.incarnation.0, advance.to.next)?;
    }
    for ToPark { record, .. } in &inbound.park {
        write!(f, " parks {}/{}.{}", record.topic, record.partition, record.offset)?;
    }
    for parked in &inbound.unpark {
        write!(f, " unparks {}", parked.0)?;
    }
    Ok(())
}

pub(super) fn check(
    state: &mut State,
    commit: &OrdersCommit,
    records: &[Arc<Record>],
    record: impl Fn(Place) -> Option<Arc<Record>>,
) -> Result<(), Violation> {
    let mut expected = Vec::new();
    for order in &commit.orders {
        let before = state.orders.orders.get(&order.id).map(|entry| entry.order.clone());
        proven(order)?;
        match &before {
            None => {
                placed(order)?;
                expected
                    .extend([Topic::OrderCreated, Topic::InventoryReserve].map(|topic| (topic, order.id)));
                expected.push((Topic::OrderLive, order.id));
                state.orders.placed.push(order.id);
                if let Some(step) = step_of(order) {
                    state.orders.by_step.entry(step).or_default().push(order.id);
                }
            }
            Some(before) if before.version == order.version => {
                if before != order {
                    return broken(4, format!("order {} changed without a new version", order.id));
                }
                // A note; perhaps with the request that is still owed.
            }
            Some(before) => {
                moved(before, order)?;
                told_by_products(state, before, order)?;
                let topics = events(before, order).into_iter().chain(live(before, order));
                expected.extend(topics.map(|topic| (topic, order.id)));
            }
        }
        let entry = state.orders.orders.entry(order.id);
        let entry = entry.or_insert_with(|| OrderEntry { order: order.clone(), versions: Vec::new() });
        entry.order = order.clone();
        if entry.versions.len() as u64 + 1 == order.version {
            entry.versions.push((order.status(), order.stock.status()));
        }
    }
    sent(state, commit, records, expected)?;
    check_inbound(&mut state.orders.positions, &state.poison, &commit.inbound)?;
    taken(state, commit, record)
}

/// The order keeps its own rules: read it as a back-end would.
fn proven(order: &Order) -> Result<(), Violation> {
    match Order::restore(order.clone().into_parts()) {
        Ok(_) => Ok(()),
        Err(rule) => broken(0, format!("order {}: {rule}", order.id)),
    }
}

/// The step of the plan that placed it, as its metadata says.
fn step_of(order: &Order) -> Option<u64> {
    let metadata: serde_json::Value = serde_json::from_str(order.metadata.as_str()).ok()?;
    metadata.get("step")?.as_u64()
}

fn placed(order: &Order) -> Result<(), Violation> {
    let fresh = order.version == 1 && order.status() == OrderStatus::Pending && !order.hidden;
    if fresh && order.stock.status() == StockStatus::Pending {
        return Ok(());
    }
    broken(0, format!("order {} began as version {} {}", order.id, order.version, order.status().label()))
}

/// Contract §2: which moves there are.
fn moved(before: &Order, after: &Order) -> Result<(), Violation> {
    use OrderStatus::{Cancelled, Delivered, Pending, Processing, Shipped};
    let id = after.id;
    if after.version != before.version + 1 {
        return broken(4, format!("order {id} went from version {} to {}", before.version, after.version));
    }
    let same = before.items == after.items && before.total == after.total && before.user_id == after.user_id;
    if !same || before.created_at != after.created_at || (before.hidden && !after.hidden) {
        return broken(0, format!("order {id} changed what never changes"));
    }
    let (from, to) = (before.status(), after.status());
    let allowed = match (from, to) {
        (from, to) if from == to => true,
        (Pending, Processing) | (Processing, Shipped) => before.stock.status() == StockStatus::Reserved,
        (Shipped, Delivered) | (Pending | Processing | Shipped, Cancelled) => true,
        _ => false,
    };
    if !allowed {
        return broken(0, format!("order {id} went from {} to {}", from.label(), to.label()));
    }
    if before.cancel_reason().is_some() && before.cancel_reason() != after.cancel_reason() {
        return broken(0, format!("the cancel reason of order {id} changed"));
    }
    let (was, is) = (before.stock.status(), after.stock.status());
    let stock = match (was, is) {
        (was, is) if was == is => true,
        (StockStatus::Pending, StockStatus::Reserved | StockStatus::Rejected | StockStatus::Released) => true,
        (StockStatus::Reserved, StockStatus::Released | StockStatus::Fulfilled) => true,
        (StockStatus::Fulfilled, StockStatus::Returned) => true,
        // Shipped and cancelled before Products had booked it out: out and in are one answer.
        (StockStatus::Reserved, StockStatus::Returned) => before.stage.shipped_at().is_some(),
        _ => false,
    };
    if stock { Ok(()) } else { broken(0, format!("the stock of order {id} went from {was} to {is}")) }
}

/// Orders does not guess: what it says of stock, Products has decided.
fn told_by_products(state: &State, before: &Order, after: &Order) -> Result<(), Violation> {
    let is = after.stock.status();
    if before.stock.status() == is {
        return Ok(());
    }
    let history = state.stock.decisions.get(&after.reservation());
    let decided = history.is_some_and(|entry| {
        entry.history.iter().any(|decision| {
            matches!(
                (&decision.reservation, is),
                (Reservation::Held(_), StockStatus::Reserved)
                    | (Reservation::Rejected(_), StockStatus::Rejected)
                    | (Reservation::Released(_), StockStatus::Released)
                    | (Reservation::Fulfilled(_), StockStatus::Fulfilled)
                    | (Reservation::Returned(_), StockStatus::Returned)
            )
        })
    });
    if decided { Ok(()) } else { broken(6, format!("order {} says {is}, which nobody decided", after.id)) }
}

/// Contract §3: the events of a change.
fn events(before: &Order, after: &Order) -> Vec<Topic> {
    use OrderStatus::{Cancelled, Delivered};
    let (from, to) = (before.status(), after.status());
    let mut topics = Vec::new();
    if from != to {
        topics.push(Topic::OrderStatusChanged);
    }
    if from != to && to == Delivered {
        topics.push(Topic::OrderCompleted);
    }
    if from != to && to == Cancelled {
        topics.push(Topic::OrderCancelled);
        // Unless Products has said that nothing is held.
        if before.stock.status() == after.stock.status() {
            topics.push(Topic::InventoryRelease);
        }
    }
    topics
}

/// Contract §3: how many live messages a change has.
fn live(before: &Order, after: &Order) -> Vec<Topic> {
    use OrderStatus::{Cancelled, Delivered};
    let changed = before.status() != after.status();
    let count = match after.status() {
        Cancelled if changed => 2 + usize::from(after.hidden && !before.hidden),
        Delivered if changed => 2,
        _ => 1,
    };
    vec![Topic::OrderLive; count]
}

/// Invariant 6: exactly the events of the changes went out, and nothing else but copies of what was parked and requests
/// that are owed.
fn sent(
    state: &State,
    commit: &OrdersCommit,
    records: &[Arc<Record>],
    mut expected: Vec<(Topic, holdfast_contract::OrderId)>,
) -> Result<(), Violation> {
    for record in records {
        if commit.inbound.park.iter().any(|parked| parked.record.topic.dlq() == Some(record.topic)) {
            continue;
        }
        let key = std::str::from_utf8(&record.key).ok().and_then(|key| key.parse().ok());
        let Some(id) = key else { return broken(6, format!("a record of {} names no order", record.topic)) };
        if let Some(at) = expected.iter().position(|of| *of == (record.topic, id)) {
            expected.remove(at);
            continue;
        }
        let order = state.orders.orders.get(&id).map(|entry| &entry.order);
        if !order.is_some_and(|order| owes(order, record)) {
            return broken(6, format!("{} of order {id} went out without a change", record.topic));
        }
    }
    match expected.first() {
        None => Ok(()),
        Some((topic, id)) => broken(6, format!("order {id} changed, and {topic} did not go out")),
    }
}

/// Whether the order still waits for Products, and this asks for it.
fn owes(order: &Order, record: &Record) -> bool {
    let (status, stock) = (order.status(), order.stock.status());
    match record.topic {
        Topic::InventoryReserve => status == OrderStatus::Pending && stock == StockStatus::Pending,
        Topic::InventoryRelease => {
            status == OrderStatus::Cancelled
                && matches!(stock, StockStatus::Pending | StockStatus::Reserved | StockStatus::Fulfilled)
        }
        Topic::OrderStatusChanged => {
            matches!(status, OrderStatus::Shipped | OrderStatus::Delivered) && stock == StockStatus::Reserved
        }
        _ => false,
    }
}

/// Invariant 9: what the positions have passed has taken effect.
fn taken(
    state: &State,
    commit: &OrdersCommit,
    record: impl Fn(Place) -> Option<Arc<Record>>,
) -> Result<(), Violation> {
    for advance in &commit.inbound.advances {
        for offset in passed(advance) {
            let Some(record) = record((advance.partition, advance.to.incarnation, offset)) else { continue };
            if commit.inbound.park.iter().any(|parked| parked.record == record) {
                continue;
            }
            let event = match Event::decode(record.topic, &record.payload) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(_) => {
                    return broken(
                        9,
                        format!("{}/{offset} was passed, and neither read nor parked", advance.partition),
                    );
                }
            };
            let order = event.head.order_id.and_then(|id| state.orders.orders.get(&id));
            let Some(OrderEntry { order, .. }) = order else { continue };
            let (status, stock) = (order.status(), order.stock.status());
            let open = match &event.body {
                Body::StockReserved(_) | Body::StockRejected(_) => {
                    status == OrderStatus::Pending && stock == StockStatus::Pending
                }
                Body::StockFulfilled(_) => {
                    matches!(status, OrderStatus::Shipped | OrderStatus::Delivered)
                        && stock == StockStatus::Reserved
                }
                Body::StockReleased(_) => {
                    let gone = matches!(status, OrderStatus::Shipped | OrderStatus::Delivered);
                    let settled = matches!(
                        stock,
                        StockStatus::Released | StockStatus::Returned | StockStatus::Rejected
                    );
                    !gone && !settled
                }
                _ => false,
            };
            if open {
                let (place, kind) = (advance.partition, event.body.event_type());
                return broken(
                    9,
                    format!("{place}/{offset} {kind} was passed, and order {} does not know", order.id),
                );
            }
        }
    }
    Ok(())
}
