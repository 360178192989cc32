//! What people read about each step.

use std::fmt;

use holdfast_contract::OrderNumber;
use holdfast_contract::stock::MovementKind;
use holdfast_service::Steps;

use crate::domain::{Decision, LedgerMovement, Rejected, Reservation};

/// One readable line.
pub(super) enum Line {
    Moved(std::sync::Arc<LedgerMovement>),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved(movement) => moved(f, movement),
        }
    }
}

fn moved(f: &mut impl fmt::Write, m: &LedgerMovement) -> fmt::Result {
    // The mark is the quick start's.
    let verb = match m.kind {
        MovementKind::Received => "Received",
        MovementKind::Reserved => "✅ Reserved",
        MovementKind::Released => "✅ Released",
        MovementKind::Fulfilled => "Shipped",
        MovementKind::Returned => "Took back",
        MovementKind::Adjusted => "Adjusted",
        MovementKind::Unknown => "Moved",
    };
    let quantity = m.quantity();
    let units = if quantity == 1 { "unit" } else { "units" };
    let sign = if m.kind == MovementKind::Adjusted && m.on_hand_delta < 0 { "−" } else { "" };
    write!(f, "{verb} {sign}{quantity} {units} of {} (new stock: {})", m.product_name, m.balances.stock)
}

/// Tells of a decision that is durable.
pub(super) fn tell(steps: &Steps, decision: &Decision) {
    let order = OrderNumber::from(decision.order());
    match &decision.reservation {
        Reservation::Held(_) => steps.say(|| format!("Processing stock reservation for order {order}")),
        Reservation::Rejected(rejected) => {
            steps.say(|| format!("Processing stock reservation for order {order}"));
            steps.say(|| format!("Rejected order {order}: {}", why(rejected)));
        }
        Reservation::Released(s) if s.movements.is_empty() => {
            steps.say(|| format!("Nothing to release for order {order}"));
        }
        Reservation::Released(_) => steps.say(|| format!("Processing stock release for order {order}")),
        Reservation::Fulfilled(_) => steps.say(|| format!("Processing shipment of order {order}")),
        Reservation::Returned(_) => steps.say(|| format!("Processing return of order {order}")),
    }
    for movement in decision.movements() {
        steps.say(|| Line::Moved(movement.clone()).to_string());
    }
}

pub(super) fn why(rejected: &Rejected) -> String {
    let short: Vec<_> = rejected
        .shortages
        .iter()
        .map(|s| format!("{}: {} requested, {} available", s.product_name, s.requested, s.available))
        .collect();
    if short.is_empty() {
        rejected.reason.as_str().to_owned()
    } else {
        format!("{} ({})", rejected.reason.as_str(), short.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Cause, MovementId};

    #[test]
    fn a_line_reads_as_the_quick_start_shows_it() {
        let movement = LedgerMovement {
            id: MovementId(1),
            previous: None,
            product: holdfast_contract::ProductId::from_bytes([1; 12]),
            product_name: "Test Product".parse().unwrap(),
            owner: None,
            line_id: None,
            kind: MovementKind::Reserved,
            on_hand_delta: 0,
            reserved_delta: 2,
            hold: None,
            balances: holdfast_contract::stock::Balances::new(50, 2),
            cause: Cause::HttpReserve,
            at: holdfast_contract::Timestamp::default(),
        };
        let line = Line::Moved(Arc::new(movement));
        assert_eq!(line.to_string(), "✅ Reserved 2 units of Test Product (new stock: 48)");
    }
}
