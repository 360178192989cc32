//! What the background audit reads, and what a repair writes.

use holdfast_contract::LineId;
use holdfast_contract::stock::Balances;

use super::Subject;
use super::sample::{
    at, decided, details, origin, product, product_id, put, quantity, request, reservation_id, shelf, taken,
};
use crate::audit::audit;
use crate::audit::rebuild::{RebuildError, plan};
use crate::domain::{
    Desk, Hold, HoldId, HttpReservation, HttpState, MovementId, OrderRef, Owner, StockChange, StockLevel,
};
use crate::store::{Book, HoldsDigest, StockCommit};

fn hold(number: u64) -> HoldId {
    HoldId(MovementId(number))
}

fn digest(holds: &[(u64, i64)]) -> HoldsDigest {
    let mut digest = HoldsDigest::default();
    holds.iter().for_each(|(number, quantity)| digest.change(hold(*number), *quantity));
    digest
}

/// Lamps: reservation 1 holds two (hold 3) and 2 held three, which left; till-7 holds one. Desks: 1 holds one (hold 4).
/// Of products 3 there is nothing.
async fn filled(subject: &dyn Subject) -> Desk {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1)), 100).await;
    put(subject, &mut desk, product(2, details("Desk", 1)), 50).await;
    put(subject, &mut desk, product(3, details("Chair", 1)), 0).await;
    let store = subject.store();
    let held = decided(desk.reserve(&request(1, &[(1, 2), (2, 1)]), None, false, &origin()).unwrap());
    store.commit(StockCommit { decisions: vec![held], ..taken(&mut desk) }).await.unwrap();
    let held = decided(desk.reserve(&request(2, &[(1, 3)]), None, false, &origin()).unwrap());
    let left = decided(desk.fulfil(reservation_id(2), Some(&held), &origin()).unwrap().unwrap());
    store.commit(StockCommit { decisions: vec![held, left], ..taken(&mut desk) }).await.unwrap();
    let till = OrderRef::new("till-7").unwrap();
    let opened = desk.hold_http(product_id(1), &till, quantity(1), &origin()).unwrap();
    let state = HttpState::Held { quantity: quantity(1), hold: opened.hold.unwrap(), new_stock: 94 };
    let http = HttpReservation { order: till, product: product_id(1), state, at: at() };
    store.commit(StockCommit { http_reservations: vec![http], ..taken(&mut desk) }).await.unwrap();
    desk
}

pub(super) async fn every_product_has_its_book(subject: &dyn Subject) {
    filled(subject).await;
    let store = subject.store();
    let books = store.books(None, 2).await.unwrap();
    let lamp = Book {
        product: product_id(1),
        name: "Lamp".to_owned(),
        version: Some(5),
        balances: Some(Balances::new(97, 3)),
        last_movement: Some(MovementId(7)),
        holds: 2,
        held: digest(&[(3, 2), (7, 1)]),
        unowned: Vec::new(),
    };
    let desk = Book {
        product: product_id(2),
        name: "Desk".to_owned(),
        version: Some(2),
        balances: Some(Balances::new(50, 1)),
        last_movement: Some(MovementId(4)),
        holds: 1,
        held: digest(&[(4, 1)]),
        unowned: Vec::new(),
    };
    assert_eq!(books, [lamp, desk]);
    let rest = store.books(Some(product_id(2)), 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!((rest[0].balances, rest[0].last_movement), (Some(Balances::new(0, 0)), None));
    assert_eq!(store.books(Some(product_id(3)), 10).await.unwrap(), []);
}

pub(super) async fn what_is_held_is_told_page_by_page(subject: &dyn Subject) {
    let mut desk = filled(subject).await;
    let store = subject.store();
    for n in 3..=5 {
        let held = decided(desk.reserve(&request(n, &[(1, 1)]), None, false, &origin()).unwrap());
        store.commit(StockCommit { decisions: vec![held], ..taken(&mut desk) }).await.unwrap();
    }
    let first = store.held(None, 3).await.unwrap();
    assert_eq!((first.movement, first.examined, first.through), (10, 3, Some(reservation_id(3))));
    let ids: Vec<_> = first.held.iter().map(|decision| decision.id).collect();
    assert_eq!(ids, [reservation_id(1), reservation_id(3)]);
    assert_eq!(first.held[0].movements().len(), 2);
    assert_eq!(first.unheld, []);
    let rest = store.held(first.through, 3).await.unwrap();
    assert_eq!((rest.examined, rest.held.len(), rest.through), (2, 2, Some(reservation_id(5))));
    let none = store.held(rest.through, 3).await.unwrap();
    assert_eq!((none.examined, none.through), (0, None));
    // Reservation 1 without its hold: closed, and its decision not replaced.
    store.commit(StockCommit { closed: vec![(product_id(2), hold(4))], ..closing(&mut desk) }).await.unwrap();
    let first = store.held(None, 3).await.unwrap();
    assert_eq!(first.unheld, [(reservation_id(1), product_id(2), hold(4))]);
}

/// A hold of reservation 1.
fn put_back(product: u8, number: u64, units: u32) -> Hold {
    Hold {
        id: hold(number),
        product: product_id(product),
        owner: Owner::Reservation(reservation_id(1)),
        line_id: LineId(1),
        quantity: quantity(units),
        consumed: 0,
        at: at(),
    }
}

/// A commit is not only about holds.
fn closing(desk: &mut Desk) -> StockCommit {
    desk.adjust(product_id(3), 1, &origin()).unwrap();
    taken(desk)
}

/// Whatever is stored under their names, or nothing.
pub(super) async fn holds_are_put_back(subject: &dyn Subject) {
    filled(subject).await;
    let store = subject.store();
    let restored = vec![put_back(1, 3, 5), put_back(2, 9, 1)];
    store.commit(StockCommit { restored: restored.clone(), ..Default::default() }).await.unwrap();
    let lamps = store.holds(product_id(1), None, 10).await.unwrap();
    assert_eq!(lamps[0], restored[0]);
    assert_eq!(lamps.len(), 2);
    let desks = store.holds(product_id(2), None, 10).await.unwrap();
    assert_eq!((desks.len(), &desks[1]), (2, &restored[1]));
    // Its decision does not know of it.
    let books = store.books(None, 10).await.unwrap();
    assert_eq!((&books[0].unowned[..], &books[1].unowned[..]), (&[][..], &[hold(9)][..]));
}

/// Whatever was changed by hand, the movements say what it must be.
pub(super) async fn a_damaged_stock_is_rebuilt(subject: &dyn Subject) {
    filled(subject).await;
    let store = subject.store();
    let before = shelf(subject, 1).await;
    let version = before.level.version();
    let wrong = StockChange {
        product: product_id(1),
        name: before.product.details.name.clone(),
        from: Some(version),
        level: StockLevel::restore(105, 1, version + 1).unwrap(),
        last_movement: None,
        moved: false,
    };
    let damage = StockCommit {
        stock: vec![wrong],
        restored: vec![put_back(1, 3, 5), put_back(1, 99, 1)],
        closed: vec![(product_id(2), hold(4))],
        ..Default::default()
    };
    store.commit(damage).await.unwrap();
    assert!(!audit(&*store).await.unwrap().is_clean());

    let turn = store.take_turn().await.unwrap();
    let rebuild = plan(&*store, Some(turn)).await.unwrap();
    assert_eq!((rebuild.products, rebuild.movements), (3, 7));
    let told: Vec<String> = rebuild.changes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for part in [
        "on hand 105 → 97 (-8)",
        "reserved 1 → 3 (+2)",
        "movement none → mov-7",
        "hold-99 of 1",
        "hold-3 of 2",
    ] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    assert!(told[1].contains("hold-4 of 1"), "{told:?}");
    rebuild.apply(&*store, Some(turn), at()).await.unwrap();
    assert!(audit(&*store).await.unwrap().is_clean());
    let after = shelf(subject, 1).await;
    assert_eq!(
        (after.level.balances(), after.last_movement),
        (before.level.balances(), before.last_movement)
    );
    assert!(plan(&*store, Some(turn)).await.unwrap().changes.is_empty());
    // What was planned for another state is void.
    let again = rebuild.apply(&*store, Some(turn), at()).await;
    assert!(matches!(again, Err(RebuildError::Overtaken)), "{again:?}");
    assert!(audit(&*store).await.unwrap().is_clean());
}
