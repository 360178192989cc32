//! What a replayed message does, in words for an operator.

use holdfast_contract::event::{Body, Event, Line};
use holdfast_contract::{OrderId, OrderNumber, OrderStatus};
use holdfast_storage::Parked;

use super::steps::why;
use crate::domain::{Decision, LedgerMovement, Reservation};

/// Of an event type that this build does not know.
pub(super) const UNKNOWN: &str = "an event type that this version does not know: passed over";

/// What an event asks for, and what was decided. `fresh`: just now, not before.
pub(super) fn effect(event: &Event, decision: Option<&Decision>, fresh: bool) -> String {
    let number = event.head.order_id.map(|id| OrderNumber::from(id).to_string()).unwrap_or_default();
    let asked = match &event.body {
        Body::ReserveRequest(request) => format!("reserve {} for {number}", lines(&request.lines)),
        Body::ReleaseRequest(_) => format!("release what {number} holds"),
        Body::OrderStatusChanged(change) if change.new_status == Some(OrderStatus::Shipped) => {
            format!("book out what {number} holds")
        }
        _ => return "nothing that Products acts on: passed over".to_owned(),
    };
    match decision {
        None => format!("{asked}: no stock was ever asked for, left unanswered"),
        Some(decision) if fresh => format!("{asked}: {}", state(decision)),
        Some(decision) => {
            format!("{asked}: was decided before ({}), the same answer again", state(decision))
        }
    }
}

/// What giving up the request of an order does.
pub(super) fn given_up(order: OrderId, prior: Option<&Decision>) -> String {
    let number = OrderNumber::from(order);
    match prior {
        None => format!("{number} is rejected with PROCESSING_FAILED"),
        Some(decision) => {
            format!("{number} was decided before ({}), the same answer again", state(decision))
        }
    }
}

/// What giving up any other message does.
pub(super) fn removed(message: &Parked) -> String {
    match message.order {
        None => "removed; it names no order, so nothing else changes".to_owned(),
        Some(_) => "removed; if the order still waits for its answer, it asks again".to_owned(),
    }
}

fn state(decision: &Decision) -> String {
    match &decision.reservation {
        Reservation::Held(_) => "held".to_owned(),
        Reservation::Rejected(rejected) => format!("rejected {}", why(rejected)),
        Reservation::Released(settled) if settled.movements.is_empty() => {
            "released, nothing was held".to_owned()
        }
        Reservation::Released(settled) => format!("released {}", moved(&settled.movements)),
        Reservation::Fulfilled(settled) => format!("shipped {}", moved(&settled.movements)),
        Reservation::Returned(_) => "goods are back".to_owned(),
    }
}

fn lines(lines: &[Line]) -> String {
    let each = lines.iter().map(|l| of(l.quantity.get().into(), l.product_name.as_str()));
    each.collect::<Vec<_>>().join(", ")
}

fn moved(movements: &[std::sync::Arc<LedgerMovement>]) -> String {
    let each = movements.iter().map(|m| of(m.quantity(), m.product_name.as_str()));
    each.collect::<Vec<_>>().join(", ")
}

fn of(quantity: u64, name: &str) -> String {
    let units = if quantity == 1 { "unit" } else { "units" };
    format!("{quantity} {units} of {name}")
}
