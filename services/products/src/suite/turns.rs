//! Turns.

use std::time::Duration;

use super::Subject;
use super::sample::{details, origin, product, product_id, put, taken};
use crate::domain::Desk;
use crate::store::{CommitError, StockCommit};

/// Far longer than anything here takes.
const A_HANG: Duration = Duration::from_secs(60);

pub(super) async fn a_turn_taken_again_is_the_same(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1)), 10).await;
    let store = subject.store();
    let turn = store.take_turn().await.unwrap();
    assert!(!store.pass_turn(turn).await.unwrap(), "nobody waits");
    assert_eq!(store.take_turn().await.unwrap(), turn);
    store.end_turn(turn).await.unwrap();
    assert_eq!(store.take_turn().await.unwrap(), turn, "nobody had it in between");
    for _ in 0..3 {
        desk.adjust(product_id(1), 1, &origin()).unwrap();
        store.commit(StockCommit { turn: Some(turn), ..taken(&mut desk) }).await.unwrap();
    }
    store.end_turn(turn).await.unwrap();
}

pub(super) async fn instances_take_turns(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    put(subject, &mut desk, product(1, details("Lamp", 1)), 10).await;
    let (store, Some(other)) = (subject.store(), subject.other_instance().await) else { return };
    let turn = store.take_turn().await.unwrap();
    // It waits, and gets the turn when it is passed on.
    let passing = async { while !store.pass_turn(turn).await.unwrap() {} };
    let passed = async { tokio::join!(other.take_turn(), passing) };
    let (others, ()) = tokio::time::timeout(A_HANG, passed).await.expect("the turn is passed on");
    let others = others.unwrap();
    assert_ne!(others.number, turn.number);
    let change = |turn| {
        let mut desk = desk.clone();
        desk.adjust(product_id(1), 1, &origin()).unwrap();
        StockCommit { turn: Some(turn), ..taken(&mut desk) }
    };
    let late = store.commit(change(turn)).await;
    assert!(matches!(late, Err(CommitError::TurnLost)), "{late:?}");
    other.commit(change(others)).await.unwrap();
    // Back again, by its end.
    other.end_turn(others).await.unwrap();
    let again = store.take_turn().await.unwrap();
    assert!(again.number != turn.number && again.number != others.number, "what was known is old");
    let late = other.commit(change(others)).await;
    assert!(matches!(late, Err(CommitError::TurnLost)), "{late:?}");
    store.end_turn(again).await.unwrap();
}
