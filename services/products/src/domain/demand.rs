//! Whether an order can have all that it asks for.

use holdfast_contract::event::{Line, PriceDifference, ReserveRequest};
use holdfast_contract::stock::{RejectReason, Shortage};
use holdfast_contract::{LineId, Money, ProductId};
use rustc_hash::FxHashMap;

use super::decision::Rejected;
use super::desk::Shelf;

/// What a request for stock comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every line can be held; these were ordered for another price.
    Hold(Vec<PriceDifference>),
    /// Nothing can be held.
    Reject(Rejected),
}

/// What an order asks for of one product: the sum of the lines that name it.
struct Demand<'r> {
    product: ProductId,
    first: &'r Line,
    line_ids: Vec<LineId>,
    requested: u64,
    price_differs: bool,
}

/// Decides a request on the shelves as they are: all or nothing, every product that is short named.
pub fn decide_reserve<'s>(
    shelf: impl Fn(ProductId) -> Option<&'s Shelf>,
    request: &ReserveRequest,
) -> Verdict {
    let mut differences = Vec::new();
    let demands = fold(&shelf, request, &mut differences);
    let mut shortages = Vec::new();
    for demand in demands {
        let shelf = shelf(demand.product).filter(|s| !s.hidden);
        let reason = match shelf {
            None => RejectReason::ProductNotFound,
            Some(s) if !s.product.details.is_active => RejectReason::ProductInactive,
            Some(s) if s.level.available() < demand.requested => RejectReason::OutOfStock,
            Some(_) if demand.price_differs && request.enforce_price => RejectReason::PriceChanged,
            Some(_) => continue,
        };
        shortages.push(Shortage {
            product_id: demand.product,
            product_name: demand.first.product_name.clone(),
            line_ids: demand.line_ids,
            requested: demand.requested.cast_signed(),
            available: shelf.map_or(0, |s| s.level.available().cast_signed()),
            reason,
        });
    }
    match shortages.iter().map(|s| s.reason).max_by_key(|&reason| gravity(reason)) {
        None => Verdict::Hold(differences),
        Some(reason) => Verdict::Reject(Rejected { reason, shortages }),
    }
}

fn fold<'r, 's>(
    shelf: impl Fn(ProductId) -> Option<&'s Shelf>,
    request: &'r ReserveRequest,
    differences: &mut Vec<PriceDifference>,
) -> Vec<Demand<'r>> {
    let mut demands: Vec<Demand<'r>> = Vec::with_capacity(request.lines.len());
    let mut places = FxHashMap::default();
    for line in &request.lines {
        let place = *places.entry(line.product_id).or_insert_with(|| {
            demands.push(Demand {
                product: line.product_id,
                first: line,
                line_ids: Vec::with_capacity(1),
                requested: 0,
                price_differs: false,
            });
            demands.len() - 1
        });
        let demand = &mut demands[place];
        demand.line_ids.push(line.line_id);
        demand.requested += u64::from(line.quantity.get());
        let Some(price) = shelf(line.product_id).map(|s| s.product.details.price) else { continue };
        if Money::from_decimal(line.unit_price, request.currency) != Ok(price) {
            demand.price_differs = true;
            differences.push(PriceDifference {
                line_id: line.line_id,
                unit_price: line.unit_price,
                current_price: price.to_decimal(),
            });
        }
    }
    demands
}

/// Of several reasons, the one that waiting or paying mends least is the order's.
fn gravity(reason: RejectReason) -> u8 {
    match reason {
        RejectReason::ProductNotFound => 4,
        RejectReason::ProductInactive => 3,
        RejectReason::OutOfStock => 2,
        RejectReason::PriceChanged => 1,
        RejectReason::ProcessingFailed | RejectReason::ReservationConflict | RejectReason::Unknown => 0,
    }
}
