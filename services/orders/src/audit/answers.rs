//! What Products has told an order, as its history has it, and whether the order is so.

use holdfast_contract::{LinesDigest, StockStatus, Topic};

use crate::domain::Order;
use crate::store::{StepCause, StepEvent, Timeline, TimelineStep};

/// Stands for an order's lines.
pub(super) fn lines(order: &Order) -> LinesDigest {
    LinesDigest::of(order.items.iter().map(|item| (item.line_id, item.product_id, item.quantity.delta())))
}

/// An answer of Products.
fn answer(step: &TimelineStep) -> Option<&StepEvent> {
    match &step.cause {
        StepCause::Event(event) if Topic::TO_ORDERS.contains(&event.topic) => Some(event),
        _ => None,
    }
}

/// What an order knows of Products' decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The number of the newest decision that it was told; 0 if none.
    pub(super) decision: u32,
    /// The newest movement that it was told of; 0 if none.
    pub(super) movement: u64,
}

impl Told {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let mut told = Self::default();
        for event in timeline.steps.iter().filter_map(answer) {
            told.decision = told.decision.max(decision(&event.event_id).unwrap_or(0));
            for movement in &event.movements {
                let number = movement.movement_id.strip_prefix("mov-").and_then(|n| n.parse().ok());
                told.movement = told.movement.max(number.unwrap_or(0));
            }
        }
        told
    }
}

/// The number of the decision that an answer repeats: `<order>-<number>-<type>`.
fn decision(event_id: &str) -> Option<u32> {
    event_id.split('-').nth(1)?.parse().ok()
}

/// What is wrong between an order's stock status and what the answers to it said.
pub(super) fn wrong(timeline: &Timeline) -> Option<String> {
    let order = &timeline.order;
    let says = order.stock.status();
    let last = timeline.steps.last();
    if last.map(|step| (step.version, step.stock)) != Some((order.version, says)) {
        return Some(format!("order {} is not what the last step of its history made it", order.id));
    }
    let decided = timeline.steps.iter().rev().find(|step| !step.note && answer(step).is_some());
    let topic = decided.and_then(answer).map(|event| event.topic);
    let fits = match says {
        StockStatus::Pending => topic.is_none(),
        StockStatus::Reserved => topic == Some(Topic::InventoryReserved),
        StockStatus::Rejected => topic == Some(Topic::InventoryRejected),
        StockStatus::Released | StockStatus::Returned => topic == Some(Topic::InventoryReleased),
        StockStatus::Fulfilled => topic == Some(Topic::InventoryFulfilled),
    };
    if !fits {
        let said = topic.map_or("no answer", Topic::name);
        return Some(format!("order {} says its stock is {says}; what changed it last was {said}", order.id));
    }
    let event = decided.and_then(answer).filter(|_| says == StockStatus::Reserved)?;
    let held = event.movements.iter().filter_map(|m| Some((m.line_id?, m.product_id, m.reserved_delta)));
    (LinesDigest::of(held) != lines(order))
        .then(|| format!("what was reserved for order {} is not what was ordered", order.id))
}
