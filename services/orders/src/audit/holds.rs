//! What Products states to hold, compared with orders.

use holdfast_contract::StockStatus;
use holdfast_contract::event::{HeldReservation, HoldsStated};
use holdfast_contract::{OrderId, OrderStatus};

use super::answers::{Told, lines};
use crate::domain::{Order, awaits_products};

/// Whether an order fits what is stated of its reservation; `None`: that nothing is held. Decided on what is at hand: what
/// does not fit is looked at with [`judge`].
pub(super) fn fits(order: &Order, held: Option<&HeldReservation>) -> bool {
    match (order.stock.status(), held) {
        // Decided, and the answer is on its way; or the order has asked for something that Products has not come to.
        (StockStatus::Pending, _) | (StockStatus::Reserved, Some(_)) => {
            held.is_none_or(|held| held.lines == lines(order))
        }
        (StockStatus::Reserved, None) => awaits_products(order),
        (_, None) => true,
        (_, Some(_)) => false,
    }
}

/// What an order that does not fit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The order knows more than the statement: usually that was made before. If it stays so, Products has forgotten.
    Ahead(String),
    /// Both have passed the same position, and do not agree.
    Wrong(String),
    /// Products has decided something that the order was not told: wrong if it was not told once it has read everything.
    Behind(String),
}

/// Judges an order that does not fit what is stated of it.
pub(super) fn judge(
    order: &Order,
    told: Told,
    stated: &HoldsStated,
    held: Option<&HeldReservation>,
) -> Verdict {
    let (says, status) = (order.stock.status(), order.status());
    match held {
        Some(held) if held.decision < told.decision => Verdict::Ahead(format!(
            "order {} was told decision {} on its stock; products knows only of {}",
            order.id, told.decision, held.decision
        )),
        Some(held) if held.lines != lines(order) => {
            Verdict::Wrong(format!("what products holds for order {} is not what was ordered", order.id))
        }
        Some(held) => {
            let why = words(order.id, status, says, "holds all of it");
            if held.decision == told.decision { Verdict::Wrong(why) } else { Verdict::Behind(why) }
        }
        None if told.movement > stated.movement => Verdict::Ahead(format!(
            "order {} was told of mov-{}; the ledger of products ends with mov-{}",
            order.id, told.movement, stated.movement
        )),
        // Somebody else may have released it: then the answer to that is on its way.
        None => Verdict::Behind(words(order.id, status, says, "holds nothing")),
    }
}

fn words(order: OrderId, status: OrderStatus, says: StockStatus, held: &str) -> String {
    format!("order {order} is {} and says its stock is {says}; products {held} for it", status.label())
}
