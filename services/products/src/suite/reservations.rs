//! Decisions and HTTP reservations: what is stored under a key is replaced.

use holdfast_contract::stock::RejectReason;

use super::Subject;
use super::sample::{
    at, decided, details, origin, product, product_id, put, quantity, request, reservation_id, taken,
};
use crate::domain::{Desk, HoldId, HttpReservation, HttpState, MovementId, OrderRef, Reservation};
use crate::store::StockCommit;

pub(super) async fn every_state_of_a_reservation_reads_back(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1_000)), 100).await;
    let mut last = Vec::new();
    for n in 1..=6 {
        // 29.99 is not the price: differences are recorded.
        let asked = if n == 1 { request(n, &[(1, 1_000), (2, 1)]) } else { request(n, &[(1, 2), (1, 1)]) };
        let first = decided(desk.reserve(&asked, None, false, &origin()).unwrap());
        let mut decisions = vec![first.clone()];
        let id = reservation_id(n);
        if n == 4 || n == 5 {
            decisions.push(decided(desk.fulfil(id, Some(&first), &origin()).unwrap().unwrap()));
        }
        let prior = decisions.last().cloned();
        if n == 3 || n == 5 || n == 6 {
            decisions.push(decided(desk.release(id, n == 6, prior.as_ref(), &origin()).unwrap()));
        }
        last.push(decisions.last().cloned().unwrap());
        // Several decisions on one reservation in one commit: the last one stays.
        subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    }
    let early = decided(desk.release(reservation_id(7), false, None, &origin()).unwrap());
    last.push(early.clone());
    subject.store().commit(StockCommit { decisions: vec![early], ..taken(&mut desk) }).await.unwrap();
    let read = subject.store().decisions((1..=7).map(reservation_id).collect()).await.unwrap();
    assert_eq!(read, last);
    assert!(
        matches!(&read[0].reservation, Reservation::Rejected(r) if r.reason == RejectReason::ProductNotFound && r.shortages.len() == 2)
    );
    assert!(matches!(&read[1].reservation, Reservation::Held(h) if h.price_differences.len() == 2));
    assert!(matches!(read[2].reservation, Reservation::Released(_)));
    assert!(matches!(read[3].reservation, Reservation::Fulfilled(_)));
    assert!(matches!(read[4].reservation, Reservation::Returned(_)));
    assert!(matches!(&read[5].reservation, Reservation::Returned(s) if s.movements.len() == 4));
    assert!(read[6].movements().is_empty());
    assert!(crate::audit::audit(&*subject.store()).await.unwrap().is_clean());
}

pub(super) async fn http_reservations_and_counters_read_back(subject: &dyn Subject) {
    let order = OrderRef::new(&reservation_id(3).to_string().replace("RSV-", "ORD-")).unwrap();
    let till = OrderRef::new("till-7").unwrap();
    let held = HttpState::Held { quantity: quantity(2), hold: HoldId(MovementId(1)), new_stock: 8 };
    let of = |order: &OrderRef, state| HttpReservation {
        order: order.clone(),
        product: product_id(1),
        state,
        at: at(),
    };
    let commit = |r: Vec<HttpReservation>| StockCommit { http_reservations: r, ..StockCommit::default() };
    let never = of(&till, HttpState::NeverHeld);
    subject.store().commit(commit(vec![of(&order, held), never.clone()])).await.unwrap();
    let read = subject.store().http_reservation(order.clone(), product_id(1)).await.unwrap();
    assert_eq!(read, Some(of(&order, held)));
    assert_eq!(subject.store().http_reservation(till, product_id(1)).await.unwrap(), Some(never));
    assert_eq!(subject.store().http_reservation(order.clone(), product_id(2)).await.unwrap(), None);
    assert_eq!(subject.store().counters().await.unwrap().http_orders, std::slice::from_ref(&order));
    let released = of(&order, HttpState::Released { quantity: quantity(2), new_stock: 10 });
    subject.store().commit(commit(vec![released.clone()])).await.unwrap();
    assert_eq!(subject.store().http_reservation(order, product_id(1)).await.unwrap(), Some(released));
    assert_eq!(subject.store().counters().await.unwrap().http_orders, []);
}

pub(super) async fn a_later_decision_replaces_the_one_before(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1_000)), 100).await;
    let mut newest = Vec::new();
    for n in 1..=4 {
        newest.push(decided(desk.reserve(&request(n, &[(1, 2)]), None, false, &origin()).unwrap()));
    }
    let decisions = newest.clone();
    subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    assert_eq!(subject.store().open_holds(None, 10).await.unwrap().len(), 4);
    // In later commits: one step, two steps at once, and one beside a new reservation.
    let id = reservation_id;
    newest[0] = decided(desk.release(id(1), false, Some(&newest[0]), &origin()).unwrap());
    let decisions = vec![newest[0].clone()];
    subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    let shipped = decided(desk.fulfil(id(2), Some(&newest[1]), &origin()).unwrap().unwrap());
    newest[1] = decided(desk.release(id(2), true, Some(&shipped), &origin()).unwrap());
    let decisions = vec![shipped, newest[1].clone()];
    subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    newest[2] = decided(desk.fulfil(id(3), Some(&newest[2]), &origin()).unwrap().unwrap());
    newest.push(decided(desk.reserve(&request(5, &[(1, 1_000)]), None, false, &origin()).unwrap()));
    let decisions = vec![newest[4].clone(), newest[2].clone()];
    subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    newest[4] = decided(desk.release(id(5), false, Some(&newest[4]), &origin()).unwrap());
    let decisions = vec![newest[4].clone()];
    subject.store().commit(StockCommit { decisions, ..taken(&mut desk) }).await.unwrap();
    let read = subject.store().decisions((1..=5).map(id).collect()).await.unwrap();
    assert_eq!(read, newest);
    assert_eq!(subject.store().open_holds(None, 10).await.unwrap().len(), 1);
    assert!(crate::audit::audit(&*subject.store()).await.unwrap().is_clean());
}
