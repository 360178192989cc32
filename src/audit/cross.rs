//! What each order says of its stock, compared with what Products decided about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use holdfast_contract::{LineId, OrderId, OrderStatus, ProductId, ReservationId, StockStatus};
use holdfast_orders::domain::{Order, awaits_products};
use holdfast_orders::store::OrderReads;
use holdfast_products::domain::{Decision, Hold, Owner, Reservation};
use holdfast_products::store::StockReads;
use holdfast_storage::StoreError;

/// Rows read at once.
const PAGE: usize = 1_000;
/// Findings kept; more are only counted.
const KEPT: usize = 1_000;
/// A snapshot of a running system: an order this much younger than the newest one may have been committed after it.
const IN_FLIGHT_MILLIS: u64 = 60_000;

/// Something that the two databases do not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// An order says one thing of its stock, Products another.
    Disagree { order: OrderId, status: OrderStatus, says: StockStatus, decided: Option<&'static str> },
    /// What is held is not what was ordered.
    Lines { order: OrderId },
    /// Stock is held for an order that is not there.
    NoOrder { reservation: ReservationId, product: ProductId },
    /// What is stored breaks an invariant so that it cannot be read; the comparison stopped there.
    Unreadable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disagree { order, status, says, decided } => {
                let decided = decided.unwrap_or("never decided");
                write!(
                    f,
                    "order {order} is {} and says its stock is {says}; products: {decided}",
                    status.label()
                )
            }
            Self::Lines { order } => write!(f, "what is held for order {order} is not what was ordered"),
            Self::NoOrder { reservation, product } => {
                write!(f, "product {product} is held for {reservation}, and there is no such order")
            }
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) orders: u64,
    /// Orders that wait for an answer.
    pub(super) waiting: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) total_findings: u64,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.total_findings += 1;
        if self.findings.len() < KEPT {
            self.findings.push(finding);
        }
    }
}

/// Compares whole databases, in bounded memory. `live`: Products may be ahead of the orders, never behind.
pub(super) async fn audit(
    orders: &dyn OrderReads,
    products: &dyn StockReads,
    live: bool,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    match read(orders, products, live, &mut report).await {
        Err(StoreError::Inconsistent(why)) => report.add(Finding::Unreadable(why)),
        other => other?,
    }
    Ok(report)
}

async fn read(
    orders: &dyn OrderReads,
    products: &dyn StockReads,
    live: bool,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut newest: Option<OrderId> = None;
    loop {
        let page = orders.scan(newest, PAGE).await?;
        let Some(last) = page.last() else { break };
        newest = Some(last.id);
        let ids = page.iter().map(|order| order.reservation()).collect();
        let decisions: BTreeMap<ReservationId, Arc<Decision>> =
            products.decisions(ids).await?.into_iter().map(|d| (d.id, d)).collect();
        for order in &page {
            report.orders += 1;
            report.waiting += u64::from(awaits_products(order));
            let decision = decisions.get(&order.reservation()).map(AsRef::as_ref);
            if let Some(finding) = compare(order, decision, live) {
                report.add(finding);
            }
        }
    }
    let in_flight = newest.map_or(0, |id| id.key().unix_millis().saturating_sub(IN_FLIGHT_MILLIS));
    let mut after = None;
    loop {
        let page = products.open_holds(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.product, last.id));
        for finding in without_order(orders, &page).await? {
            let Finding::NoOrder { reservation, .. } = finding else { continue };
            if !(live && reservation.key().unix_millis() >= in_flight) {
                report.add(finding);
            }
        }
    }
}

async fn without_order(orders: &dyn OrderReads, holds: &[Hold]) -> Result<Vec<Finding>, StoreError> {
    let held: Vec<(ReservationId, ProductId)> = holds
        .iter()
        .filter_map(|hold| match &hold.owner {
            Owner::Reservation(id) => Some((*id, hold.product)),
            Owner::Http(_) => None,
        })
        .collect();
    let ids: Vec<OrderId> = held.iter().map(|(id, _)| OrderId::new(id.key())).collect();
    let found = orders.get_many(&ids).await?;
    let missing = held.into_iter().zip(found).filter(|(_, order)| order.is_none());
    Ok(missing.map(|((reservation, product), _)| Finding::NoOrder { reservation, product }).collect())
}

/// What is wrong between an order and its decision, if anything.
fn compare(order: &Order, decision: Option<&Decision>, live: bool) -> Option<Finding> {
    let decided = decision.map(|d| &d.reservation);
    let (status, says) = (order.status(), order.stock.status());
    if !agree(status, says, decided, live) {
        return Some(Finding::Disagree { order: order.id, status, says, decided: decided.map(name) });
    }
    match decided {
        Some(Reservation::Held(held)) => {
            let held: BTreeMap<Option<LineId>, (ProductId, i64)> =
                held.movements.iter().map(|m| (m.line_id, (m.product, m.reserved_delta))).collect();
            let ordered: BTreeMap<Option<LineId>, (ProductId, i64)> = order
                .lines()
                .iter()
                .map(|line| (Some(line.line_id), (line.product_id, line.quantity.delta())))
                .collect();
            (held != ordered).then_some(Finding::Lines { order: order.id })
        }
        _ => None,
    }
}

fn name(reservation: &Reservation) -> &'static str {
    match reservation {
        Reservation::Rejected(_) => "rejected",
        Reservation::Held(_) => "reserved",
        Reservation::Released(_) => "released",
        Reservation::Fulfilled(_) => "fulfilled",
        Reservation::Returned(_) => "returned",
    }
}

/// Whether what Products decided is what the order says, or the answer to what the order has asked for meanwhile.
fn agree(status: OrderStatus, says: StockStatus, decided: Option<&Reservation>, live: bool) -> bool {
    use Reservation as R;
    let cancelled = status == OrderStatus::Cancelled;
    let shipped = matches!(status, OrderStatus::Shipped | OrderStatus::Delivered);
    match (says, decided) {
        (StockStatus::Pending, None | Some(R::Rejected(_) | R::Held(_)))
        | (StockStatus::Reserved, Some(R::Held(_)))
        | (StockStatus::Rejected, Some(R::Rejected(_)))
        | (StockStatus::Released, Some(R::Released(_)))
        | (StockStatus::Fulfilled, Some(R::Fulfilled(_)))
        | (StockStatus::Returned, Some(R::Returned(_))) => true,
        // The release is decided, its answer on its way; a shipment that was overtaken counts as returned.
        (StockStatus::Pending, Some(R::Released(_))) => cancelled || live,
        (StockStatus::Reserved, Some(R::Released(_))) => cancelled || live,
        (StockStatus::Reserved, Some(R::Fulfilled(_))) => shipped || cancelled || live,
        (StockStatus::Reserved | StockStatus::Fulfilled, Some(R::Returned(_))) => cancelled || live,
        // A snapshot: Products may be further than an answer that the order has not seen.
        (StockStatus::Pending, Some(R::Fulfilled(_) | R::Returned(_))) => live,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_products::domain::{Rejected, Settled};

    fn released() -> Reservation {
        Reservation::Released(Settled { movements: Vec::new() })
    }

    fn rejected() -> Reservation {
        let reason = holdfast_contract::stock::RejectReason::OutOfStock;
        Reservation::Rejected(Rejected { reason, shortages: Vec::new() })
    }

    #[test]
    fn an_order_that_waits_may_differ_and_one_that_does_not_may_not() {
        use OrderStatus::{Cancelled, Pending};
        assert!(agree(Pending, StockStatus::Pending, None, false));
        assert!(agree(Pending, StockStatus::Pending, Some(&rejected()), false));
        assert!(agree(Cancelled, StockStatus::Reserved, Some(&released()), false));
        assert!(agree(Cancelled, StockStatus::Rejected, Some(&rejected()), false));

        assert!(!agree(Pending, StockStatus::Reserved, None, true));
        assert!(!agree(Pending, StockStatus::Reserved, Some(&rejected()), true));
        assert!(!agree(Cancelled, StockStatus::Released, Some(&rejected()), true));
        assert!(!agree(Cancelled, StockStatus::Released, None, true));
    }

    #[test]
    fn only_in_a_snapshot_products_may_be_ahead() {
        use OrderStatus::Pending;
        assert!(!agree(Pending, StockStatus::Reserved, Some(&released()), false));
        assert!(agree(Pending, StockStatus::Reserved, Some(&released()), true));
    }
}
