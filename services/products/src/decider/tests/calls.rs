//! Calls over HTTP, beside messages.

use futures_util::future::join_all;
use holdfast_contract::Topic;
use holdfast_contract::event::Body;
use holdfast_contract::stock::RejectReason;
use holdfast_contract::text::Note;
use holdfast_service::http::IdempotencyScope;

use super::super::{Adjust, Answered, CommandError, Create, Edit, HttpHeld, Idempotent};
use super::rig::{Rig, details, http, order, product};
use crate::domain::{ProductDetails, ProductPatch, ProductView, Refusal};
use crate::store::{StockReads, StoredAnswer};

fn refused<T: std::fmt::Debug>(result: Result<T, CommandError>) -> Refusal {
    match result {
        Err(CommandError::Refused(refusal)) => refusal,
        other => panic!("should have been refused: {other:?}"),
    }
}

fn adjust(delta: i64) -> Adjust {
    Adjust { product: product(1), delta, reason: Note::new("damaged").unwrap() }
}

fn key(n: u8, body: u8) -> Option<Idempotent> {
    Some(once(n, body, |view: &ProductView| view.level.available().to_string()))
}

/// As the HTTP calls make them: `made` is the answer to a success.
fn once<T>(n: u8, body: u8, made: impl Fn(&T) -> String + Send + Sync + 'static) -> Idempotent<T> {
    Idempotent {
        scope: IdempotencyScope::from_bytes([n; 16]),
        fingerprint: [body; 32],
        render: Box::new(move |result| match result {
            Ok(it) => StoredAnswer { status: 200, body: made(it).into() },
            Err(refusal) => StoredAnswer { status: 409, body: refusal.to_string().into() },
        }),
    }
}

/// The answer, and whether it is a repeated one.
fn told<T: std::fmt::Debug>(answered: Result<Answered<T>, CommandError>) -> (u16, String, bool) {
    let (answer, replayed) = match answered.unwrap() {
        Answered::Fresh { stored: Some(stored), .. } | Answered::Refused(stored) => (stored, false),
        Answered::Replayed(stored) => (stored, true),
        other => panic!("{other:?}"),
    };
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap(), replayed)
}

#[tokio::test]
async fn every_call_may_have_a_key_and_keeps_its_answer() {
    let rig = Rig::new().await;
    rig.stock(1, 10).await;
    let held = |held: &HttpHeld| held.new_stock.to_string();
    // Refused, and still refused once there would be enough.
    let too_much = || rig.decider.reserve_once(http(1, "till-1", 11), once(1, 1, held));
    let short = told(too_much().await);
    assert_eq!((short.0, short.2), (409, false));
    rig.decider.adjust(adjust(5), None).await.unwrap();
    assert_eq!(told(too_much().await), (409, short.1, true));
    let other = rig.decider.reserve_once(http(1, "till-1", 1), once(1, 2, held)).await;
    assert_eq!(refused(other), Refusal::IdempotencyKeyReused);
    assert_eq!(rig.balances(1).await, (15, 0));

    for replayed in [false, true] {
        let reserved = rig.decider.reserve_once(http(1, "till-2", 2), once(2, 1, held)).await;
        assert_eq!(told(reserved), (200, "13".to_owned(), replayed));
    }
    for replayed in [false, true] {
        let released = rig.decider.release_once(http(1, "till-2", 2), once(3, 1, held)).await;
        assert_eq!(told(released), (200, "15".to_owned(), replayed));
    }

    // Without a key the second would be a conflict, and not found.
    let before = rig.shelf(1).await.level.version();
    let patch = ProductPatch { name: Some("Renamed".parse().unwrap()), ..ProductPatch::default() };
    let edit = Edit { product: product(1), patch, if_version: Some(before) };
    for replayed in [false, true] {
        let version = |view: &ProductView| view.level.version().to_string();
        let edited = rig.decider.edit_once(edit.clone(), once(4, 1, version)).await;
        assert_eq!(told(edited), (200, (before + 1).to_string(), replayed));
    }
    for replayed in [false, true] {
        let hidden = rig.decider.hide_once(product(1), once(5, 1, |(): &()| "gone".to_owned())).await;
        assert_eq!(told(hidden), (200, "gone".to_owned(), replayed));
    }
    let again = rig.decider.hide_once(product(1), once(6, 1, |(): &()| "gone".to_owned())).await;
    assert_eq!(told(again).0, 409);
}

fn made(n: u8, sku: Option<&str>) -> Create {
    let details = ProductDetails { sku: sku.map(|sku| sku.parse().unwrap()), ..details("Made") };
    Create { id: product(n), details, on_hand: 1 }
}

/// Calls that wait together share a commit, which the store has not seen yet.
#[tokio::test]
async fn a_sku_belongs_to_one_product_also_among_calls_that_share_a_commit() {
    let rig = Rig::new().await;
    rig.decider.create(made(1, Some("A")), None).await.unwrap();
    let renamed = |n, sku: &str| Edit {
        product: product(n),
        patch: ProductPatch { sku: Some(Some(sku.parse().unwrap())), ..ProductPatch::default() },
        if_version: None,
    };
    let decider = &rig.decider;
    let (gets_b, also_b, frees_a, takes_a, hides, after) = tokio::join!(
        decider.create(made(2, Some("B")), None),
        decider.create(made(3, Some("B")), None),
        decider.edit(renamed(1, "C")),
        decider.create(made(4, Some("A")), None),
        decider.hide(product(2)),
        decider.edit(renamed(4, "C")),
    );
    gets_b.unwrap();
    assert_eq!(refused(also_b), Refusal::DuplicateSku(product(2)));
    frees_a.unwrap();
    takes_a.unwrap();
    // It has one unit, which nobody holds.
    hides.unwrap();
    assert_eq!(refused(after), Refusal::DuplicateSku(product(1)));
    assert_eq!(refused(decider.create(made(5, Some("A")), None).await), Refusal::DuplicateSku(product(4)));
}

#[tokio::test]
async fn reserving_and_releasing_over_http_is_idempotent() {
    let rig = Rig::new().await;
    rig.stock(1, 10).await;
    let first = rig.decider.reserve(http(1, "till-7", 2)).await.unwrap();
    assert_eq!((first.quantity, first.new_stock, first.repeated), (2, 8, false));
    rig.decider.reserve(http(1, "till-8", 1)).await.unwrap();
    let again = rig.decider.reserve(http(1, "till-7", 2)).await.unwrap();
    assert_eq!((again.quantity, again.new_stock, again.repeated), (2, 8, true));
    assert_eq!(refused(rig.decider.reserve(http(1, "till-7", 3)).await), Refusal::OtherQuantity { held: 2 });
    assert_eq!(refused(rig.decider.release(http(1, "till-7", 1)).await), Refusal::OtherQuantity { held: 2 });
    for repeated in [false, true] {
        let released = rig.decider.release(http(1, "till-7", 2)).await.unwrap();
        assert_eq!((released.quantity, released.new_stock, released.repeated), (2, 9, repeated));
    }
    assert_eq!(refused(rig.decider.reserve(http(1, "till-7", 2)).await), Refusal::AlreadyReleased);
    let short = Refusal::InsufficientStock { requested: 10, available: 9 };
    assert_eq!(refused(rig.decider.reserve(http(1, "till-9", 10)).await), short);
    assert_eq!(
        refused(rig.decider.reserve(http(9, "till-9", 1)).await),
        Refusal::ProductNotFound(product(9))
    );
    // Invariant 5, and a release that overtakes its reserve.
    let nothing = rig.decider.release(http(1, "till-10", 5)).await.unwrap();
    assert_eq!((nothing.quantity, nothing.new_stock), (0, 9));
    assert_eq!(refused(rig.decider.reserve(http(1, "till-10", 5)).await), Refusal::AlreadyReleased);
    assert_eq!(rig.balances(1).await, (10, 1));
}

#[tokio::test]
async fn an_order_has_its_stock_by_event_or_over_http_but_not_both() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 2)]).await;
    rig.catch_up().await;
    for text in [order(1).to_string(), holdfast_contract::OrderNumber::from(order(1)).to_string()] {
        assert_eq!(refused(rig.decider.reserve(http(1, &text, 2)).await), Refusal::HoldOwnedByOrder);
        assert_eq!(refused(rig.decider.release(http(1, &text, 2)).await), Refusal::HoldOwnedByOrder);
    }
    rig.decider.reserve(http(1, &order(2).to_string(), 1)).await.unwrap();
    rig.restart().await;
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    let said = rig.said(Topic::InventoryRejected).await;
    assert!(matches!(&said[0].body, Body::StockRejected(r) if r.reason == RejectReason::ReservationConflict));
    // Once it was released over HTTP, it is in nobody's way.
    rig.decider.reserve(http(1, &order(3).to_string(), 1)).await.unwrap();
    rig.decider.release(http(1, &order(3).to_string(), 1)).await.unwrap();
    rig.reserve(3, &[(1, 1)]).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 4));
}

#[tokio::test]
async fn invariant_7_a_hold_over_http_is_released_over_http_whatever_came_by_event() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    let [asked, cancelled] = [2, 3].map(|n| order(n).to_string());
    for text in [&asked, &cancelled] {
        rig.decider.reserve(http(1, text, 2)).await.unwrap();
    }
    // One is refused because of the hold, the other was never asked for: neither has anything by event.
    rig.reserve(2, &[(1, 1)]).await;
    rig.release(3, false).await;
    rig.catch_up().await;
    assert_eq!(rig.balances(1).await, (10, 4));
    for text in [&asked, &cancelled] {
        assert!(rig.decider.reserve(http(1, text, 2)).await.unwrap().repeated, "it is still held");
        assert_eq!(refused(rig.decider.release(http(1, text, 1)).await), Refusal::OtherQuantity { held: 2 });
        assert_eq!(rig.decider.release(http(1, text, 2)).await.unwrap().quantity, 2);
        // Nothing of it is left over HTTP; what there is, is the order's own.
        assert_eq!(refused(rig.decider.reserve(http(1, text, 2)).await), Refusal::HoldOwnedByOrder);
    }
    assert_eq!(rig.balances(1).await, (10, 0));
    rig.catch_up().await;
    rig.decider.hide(product(1)).await.unwrap();
}

#[tokio::test]
async fn invariant_1_calls_at_once_never_oversell_and_a_refusal_disturbs_nobody() {
    let rig = Rig::new().await;
    rig.stock(1, 20).await;
    let calls = (0..50).map(|n| {
        let decider = rig.decider.clone();
        async move { decider.reserve(http(if n % 5 == 4 { 9 } else { 1 }, &format!("till-{n}"), 1)).await }
    });
    let results = join_all(calls).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 20);
    assert_eq!(rig.balances(1).await, (20, 20));
    assert!(crate::audit::audit(&rig.store).await.unwrap().is_clean());
}

#[tokio::test]
async fn adjusting_is_idempotent_and_never_takes_what_is_held() {
    let rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.decider.reserve(http(1, "till-7", 8)).await.unwrap();
    let first = rig.decider.adjust(adjust(-1), key(1, 1)).await.unwrap();
    assert!(matches!(&first, Answered::Fresh { stored: Some(answer), .. } if answer.body == "1"));
    let again = rig.decider.adjust(adjust(-1), key(1, 1)).await.unwrap();
    assert!(matches!(&again, Answered::Replayed(answer) if answer.body == "1"));
    assert_eq!(refused(rig.decider.adjust(adjust(-2), key(1, 2)).await), Refusal::IdempotencyKeyReused);
    assert_eq!(rig.balances(1).await, (9, 8));
    let held = refused(rig.decider.adjust(adjust(-2), None).await);
    let Refusal::StockHeld { reserved: 8, remaining: 7, holds } = held else { panic!("{held:?}") };
    assert_eq!(holds.len(), 1);
    // A refusal is kept as well, and given again even when it would no longer be refused.
    let stored = rig.decider.adjust(adjust(-2), key(2, 1)).await.unwrap();
    assert!(matches!(&stored, Answered::Refused(answer) if answer.status == 409));
    rig.decider.release(http(1, "till-7", 8)).await.unwrap();
    let replayed = rig.decider.adjust(adjust(-2), key(2, 1)).await.unwrap();
    assert!(matches!(&replayed, Answered::Replayed(answer) if answer.status == 409));
    // The same key twice at once has one effect.
    let both =
        tokio::join!(rig.decider.adjust(adjust(5), key(3, 1)), rig.decider.adjust(adjust(5), key(3, 1)));
    assert!(matches!(both, (Ok(Answered::Fresh { .. }), Ok(Answered::Replayed(_)))), "{both:?}");
    assert_eq!(rig.balances(1).await, (14, 0));
}

#[tokio::test]
async fn the_catalogue_changes_through_the_same_writer() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    let with_sku = || ProductDetails { sku: Some("SKU-1".parse().unwrap()), ..details("Lamp") };
    let create = |n| Create { id: product(n), details: with_sku(), on_hand: 1 };
    rig.decider.create(create(2), None).await.unwrap();
    assert_eq!(refused(rig.decider.create(create(3), None).await), Refusal::DuplicateSku(product(2)));
    let exists = Create { id: product(1), details: details("x"), on_hand: 1 };
    assert_eq!(refused(rig.decider.create(exists, None).await), Refusal::ProductExists(product(1)));

    let edit = |patch, if_version| Edit { product: product(1), patch, if_version };
    let rename = || ProductPatch { name: Some("Renamed".parse().unwrap()), ..ProductPatch::default() };
    let before = rig.shelf(1).await.level.version();
    let edited = rig.decider.edit(edit(rename(), Some(before))).await.unwrap();
    assert_eq!(edited.product.details.name.as_str(), "Renamed");
    let conflict = Refusal::VersionConflict { expected: before, current: before + 1 };
    assert_eq!(refused(rig.decider.edit(edit(ProductPatch::default(), Some(before))).await), conflict);
    let same = rig.decider.edit(edit(rename(), None)).await.unwrap();
    assert_eq!(same.level.version(), before + 1, "a change to what it is already is none");

    rig.reserve(1, &[(1, 1)]).await;
    rig.catch_up().await;
    let open = refused(rig.decider.hide(product(1)).await);
    assert!(matches!(open, Refusal::HoldsOpen { reserved: 1, ref holds } if holds.len() == 1), "{open:?}");
    rig.release(1, false).await;
    rig.catch_up().await;
    rig.decider.hide(product(1)).await.unwrap();
    assert_eq!(refused(rig.decider.hide(product(1)).await), Refusal::ProductNotFound(product(1)));
    assert_eq!(refused(rig.decider.reserve(http(1, "till", 1)).await), Refusal::ProductNotFound(product(1)));
    rig.reserve(2, &[(1, 1)]).await;
    rig.catch_up().await;
    let said = rig.said(Topic::InventoryRejected).await;
    assert!(matches!(&said[0].body, Body::StockRejected(r) if r.reason == RejectReason::ProductNotFound));
    assert!(rig.store.movements(product(1), None, 9).await.unwrap().len() == 3, "its ledger stays");
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_and_the_same_again_succeeds() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.reserve(1, &[(1, 3)]).await;
    rig.break_store(true).await;
    let away = rig.decider.reserve(http(1, "till-7", 2)).await;
    // A trigger stands in for the failure, so the store takes it for a broken constraint.
    assert!(matches!(away, Err(CommandError::Inconsistent(_))), "{away:?}");
    let batch = rig.polled().await;
    assert!(rig.handle(&batch).await.is_err());
    assert_eq!(rig.balances(1).await, (10, 0));
    rig.break_store(false).await;
    rig.handle(&batch).await.unwrap();
    rig.decider.reserve(http(1, "till-7", 2)).await.unwrap();
    assert_eq!(rig.balances(1).await, (10, 5));
    assert_eq!(rig.payloads(Topic::InventoryReserved).await.len(), 1);
    assert!(crate::audit::audit(&rig.store).await.unwrap().is_clean());
}

/// All of them wait together: the second has the first one's commit made, which fails, and the third goes on.
#[tokio::test]
async fn a_call_after_a_commit_that_failed_is_decided_anew() {
    let rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.stock(2, 10).await;
    let sql =
        "CREATE TRIGGER broken BEFORE INSERT ON movements WHEN new.product = x'010101010101010101010101'
               BEGIN SELECT RAISE(ABORT, 'injected'); END;";
    let broken = rig
        .store
        .database()
        .write(move |tx| Ok::<_, holdfast_storage::StoreError>(tx.connection().execute_batch(sql)?));
    broken.await.unwrap();
    let (first, with_it, same_sku, after) = tokio::join!(
        rig.decider.reserve(http(1, "till-1", 1)),
        rig.decider.create(made(3, Some("SKU-1")), None),
        // Only the store can say whose it is, so what waits is committed: it fails.
        rig.decider.create(made(4, Some("SKU-1")), None),
        rig.decider.reserve(http(2, "till-3", 1)),
    );
    assert!(matches!(first, Err(CommandError::Inconsistent(_))), "{first:?}");
    assert!(matches!(with_it, Err(CommandError::Inconsistent(_))), "{with_it:?}");
    assert!(matches!(same_sku, Err(CommandError::Unavailable(_))), "{same_sku:?}");
    assert_eq!(after.unwrap().new_stock, 9);
    assert_eq!((rig.balances(1).await, rig.balances(2).await), ((10, 0), (10, 1)));
    assert!(crate::audit::audit(&rig.store).await.unwrap().is_clean());
}

#[tokio::test]
async fn what_a_client_was_told_is_there_after_a_restart() {
    let mut rig = Rig::new().await;
    rig.stock(1, 10).await;
    rig.decider.reserve(http(1, "till-7", 2)).await.unwrap();
    rig.restart().await;
    let again = rig.decider.reserve(http(1, "till-7", 2)).await.unwrap();
    assert!(again.repeated);
    rig.decider.release(http(1, "till-7", 2)).await.unwrap();
    assert_eq!(rig.balances(1).await, (10, 0));
}
