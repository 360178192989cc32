//! What no trait demands of a store, and both databases refuse all the same: books that cannot be.

use std::sync::Arc;

use holdfast_contract::{Key, LineId, ProductId, Quantity, ReservationId, Timestamp};
use holdfast_products::domain::{Decision, Hold, HoldId, MovementId, Owner, Reservation, Settled};
use holdfast_products::store::{CommitError, StockCommit, StockWrites};
use holdfast_sim::memory::MemoryProducts;
use holdfast_storage::StoreError;

use super::instances::creation;
use super::options;

fn product() -> ProductId {
    ProductId::from_bytes([1; 12])
}

fn reservation() -> ReservationId {
    ReservationId::new(Key::compose(1_763_600_000_000, 0, 1))
}

fn hold() -> Hold {
    Hold {
        id: HoldId(MovementId(1)),
        product: product(),
        owner: Owner::Reservation(reservation()),
        line_id: LineId(1),
        quantity: Quantity::new(1).unwrap(),
        consumed: 0,
        at: Timestamp::from_millis(0),
    }
}

fn decision(number: u32) -> Arc<Decision> {
    let reservation_state = Reservation::Released(Settled { movements: Vec::new() });
    let at = Timestamp::from_millis(0);
    Arc::new(Decision { id: reservation(), number, at, reservation: reservation_state })
}

/// A decision is in it so that it is not empty; it must not stay when the commit is void.
fn with_decision(number: u32) -> StockCommit {
    StockCommit { decisions: vec![decision(number)], ..StockCommit::default() }
}

#[tokio::test]
async fn a_hold_is_opened_once_and_closed_once() {
    let products = MemoryProducts::new(&options(1));
    let key = (product(), hold().id);
    let closing = |closed| StockCommit { closed, ..with_decision(1) };
    for commit in [closing(vec![key]), StockCommit { opened: vec![hold(), hold()], ..closing(Vec::new()) }] {
        StockWrites::commit(&products, commit).await.unwrap_err();
    }
    let opening = StockCommit { opened: vec![hold()], ..with_decision(1) };
    StockWrites::commit(&products, opening).await.unwrap();
    let again = StockCommit { opened: vec![hold()], ..with_decision(2) };
    StockWrites::commit(&products, again).await.unwrap_err();
    let twice = StockCommit { closed: vec![key, key], ..with_decision(2) };
    let refused = StockWrites::commit(&products, twice).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Inconsistent(_)))), "{refused:?}");
    let number =
        |products: &MemoryProducts| products.look(|view| view.decision(reservation()).unwrap().number);
    assert_eq!((number(&products), products.look(|view| view.holds().count())), (1, 1));
    StockWrites::commit(&products, StockCommit { closed: vec![key], ..with_decision(2) }).await.unwrap();
    assert_eq!((number(&products), products.look(|view| view.holds().count())), (2, 0));
}

#[tokio::test]
async fn decisions_on_a_reservation_follow_each_other() {
    let products = MemoryProducts::new(&options(1));
    StockWrites::commit(&products, with_decision(2)).await.unwrap_err();
    StockWrites::commit(&products, with_decision(1)).await.unwrap();
    for number in [1, 3] {
        let refused = StockWrites::commit(&products, with_decision(number)).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    }
    let both = StockCommit { decisions: vec![decision(2), decision(3)], ..StockCommit::default() };
    StockWrites::commit(&products, both).await.unwrap();
}

#[tokio::test]
async fn the_ledger_has_no_gap() {
    let products = MemoryProducts::new(&options(1));
    let mut commit = creation(None);
    let mut movement = (*commit.movements[0]).clone();
    movement.id = MovementId(2);
    commit.movements = vec![Arc::new(movement)];
    let refused = StockWrites::commit(&products, commit).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Inconsistent(_)))), "{refused:?}");
    assert_eq!(products.look(|view| (view.commits(), view.shelves().count())), (0, 0));
}
