//! Movements and holds, page by page.

use super::Subject;
use super::sample::{decided, details, origin, product, product_id, put, request, taken};
use crate::domain::{Desk, Hold, LedgerMovement};
use crate::store::StockCommit;

/// Two products, held alternately five times each.
async fn filled(subject: &dyn Subject) -> Desk {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1)), 100).await;
    put(subject, &mut desk, product(2, details("Desk", 1)), 100).await;
    for n in 1..=5 {
        let held = decided(desk.reserve(&request(n, &[(1, 1), (2, 2)]), None, false, &origin()).unwrap());
        subject.store().commit(StockCommit { decisions: vec![held], ..taken(&mut desk) }).await.unwrap();
    }
    desk
}

pub(super) async fn movements_page_newest_first(subject: &dyn Subject) {
    filled(subject).await;
    let mut all: Vec<LedgerMovement> = Vec::new();
    loop {
        let page = subject.store().movements(product_id(2), all.last().map(|m| m.id), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let ids: Vec<_> = all.iter().map(|m| m.id.0).collect();
    assert_eq!(ids, [12, 10, 8, 6, 4, 2]);
    assert!(all.iter().all(|m| m.product == product_id(2)));
    assert_eq!(all[0].balances.reserved, 10);
    // A cursor of another product, and a product that is not there, give nothing.
    let other = subject.store().movements(product_id(1), Some(all[0].id), 4).await.unwrap();
    assert_eq!(other, []);
    assert_eq!(subject.store().movements(product_id(9), None, 4).await.unwrap(), []);
}

pub(super) async fn holds_page_oldest_first(subject: &dyn Subject) {
    filled(subject).await;
    let first = subject.store().holds(product_id(1), None, 3).await.unwrap();
    let rest = subject.store().holds(product_id(1), first.last().map(|h| h.id), 10).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert!(first.iter().chain(&rest).is_sorted_by_key(|h: &Hold| h.id));
    assert!(first.iter().all(|h| h.product == product_id(1) && h.quantity.get() == 1));
}

pub(super) async fn the_whole_ledger_streams_in_order(subject: &dyn Subject) {
    filled(subject).await;
    let mut movements = Vec::new();
    loop {
        let page = subject.store().ledger(movements.last().map(|m: &LedgerMovement| m.id), 5).await.unwrap();
        if page.is_empty() {
            break;
        }
        movements.extend(page);
    }
    assert!(movements.iter().zip(1..).all(|(m, n)| m.id.0 == n));
    assert_eq!(movements.len(), 12);
    let mut holds: Vec<Hold> = Vec::new();
    loop {
        let page = subject.store().open_holds(holds.last().map(|h| (h.product, h.id)), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        holds.extend(page);
    }
    assert_eq!(holds.len(), 10);
    let one = subject.store().all_shelves(None, 1).await.unwrap();
    let next = subject.store().all_shelves(Some(one[0].product.id), 10).await.unwrap();
    assert_eq!((one[0].product.id, next[0].product.id, next.len()), (product_id(1), product_id(2), 1));
}
