//! What a request comes to.

use std::sync::Arc;

use holdfast_contract::stock::RejectReason;
use holdfast_contract::{Decimal, LineId};

use super::sample::{product_id, request, shelf};
use crate::domain::{Rejected, Shelf, Verdict, decide_reserve};

fn decide(shelves: &[Shelf], request: &holdfast_contract::event::ReserveRequest) -> Verdict {
    decide_reserve(|id| shelves.iter().find(|s| s.product.id == id), request)
}

fn rejected(verdict: Verdict) -> Rejected {
    match verdict {
        Verdict::Reject(rejected) => rejected,
        Verdict::Hold(_) => panic!("should have been rejected"),
    }
}

#[test]
fn lines_of_one_product_are_one_demand() {
    let shelves = [shelf(1, 5)];
    assert_eq!(decide(&shelves, &request(1, &[(1, 2), (1, 3)])), Verdict::Hold(Vec::new()));
    let short = rejected(decide(&shelves, &request(1, &[(1, 3), (1, 3)])));
    assert_eq!(short.shortages.len(), 1);
    assert_eq!(short.shortages[0].line_ids, [LineId(1), LineId(2)]);
    assert_eq!((short.shortages[0].requested, short.shortages[0].available), (6, 5));
}

#[test]
fn every_shortage_is_named_and_the_gravest_is_the_reason() {
    let mut inactive = shelf(3, 9);
    Arc::get_mut(&mut inactive.product).unwrap().details.is_active = false;
    let mut hidden = shelf(4, 9);
    hidden.hidden = true;
    let shelves = [shelf(1, 1), shelf(2, 9), inactive, hidden];
    let all = rejected(decide(&shelves, &request(1, &[(1, 2), (2, 1), (3, 1), (4, 1), (5, 1)])));
    assert_eq!(all.reason, RejectReason::ProductNotFound);
    let reasons: Vec<_> = all.shortages.iter().map(|s| (s.product_id, s.reason)).collect();
    assert_eq!(
        reasons,
        [
            (product_id(1), RejectReason::OutOfStock),
            (product_id(3), RejectReason::ProductInactive),
            (product_id(4), RejectReason::ProductNotFound),
            (product_id(5), RejectReason::ProductNotFound),
        ]
    );
    let two = rejected(decide(&shelves, &request(1, &[(1, 2), (3, 1)])));
    assert_eq!(two.reason, RejectReason::ProductInactive);
}

#[test]
fn a_changed_price_is_recorded_or_rejected() {
    let shelves = [shelf(1, 5), shelf(2, 0)];
    let mut request = request(1, &[(1, 1)]);
    request.lines[0].unit_price = Decimal::parse("29.99").unwrap();
    let Verdict::Hold(differences) = decide(&shelves, &request) else {
        panic!("accepted without enforcement")
    };
    assert_eq!(differences[0].current_price, Decimal::parse("10").unwrap());
    request.enforce_price = true;
    assert_eq!(rejected(decide(&shelves, &request)).reason, RejectReason::PriceChanged);
    request.currency = "EUR".parse().unwrap();
    request.lines[0].unit_price = Decimal::parse("10").unwrap();
    assert_eq!(rejected(decide(&shelves, &request)).reason, RejectReason::PriceChanged);
    request.lines[0].product_id = product_id(2);
    assert_eq!(rejected(decide(&shelves, &request)).reason, RejectReason::OutOfStock);
}
