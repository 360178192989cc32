//! What cannot be what was stored is inconsistent and never served, and the audit finds it.

use holdfast_servers::shared;
use holdfast_storage::StoreError;
use mongodb::Collection;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::{Mongodb, fresh};
use crate::audit::{Finding, audit};
use crate::domain::Desk;
use crate::store::{StockCommit, StockReads as _, StockWrites as _};
use crate::suite::sample::{
    decided, details, origin, product, product_id, put, request, reservation_id, taken,
};

/// A product that is held for two orders.
async fn filled(uri: &'static str) -> Mongodb {
    let subject = fresh(uri).await;
    let mut desk = Desk::new(None);
    put(&subject, &mut desk, product(1, details("Lamp", 1_000)), 10).await;
    for n in 1..=2 {
        let held = decided(desk.reserve(&request(n, &[(1, 2)]), None, false, &origin()).unwrap());
        subject.products.commit(StockCommit { decisions: vec![held], ..taken(&mut desk) }).await.unwrap();
    }
    subject
}

async fn break_all(collection: &Collection<RawDocumentBuf>, change: Document) {
    let broken = collection.update_many(doc! {}, doc! { "$set": change }).await.unwrap();
    assert!(broken.modified_count > 0);
}

fn is_inconsistent<T>(read: Result<T, StoreError>) -> bool {
    matches!(read, Err(StoreError::Inconsistent(_)))
}

#[tokio::test]
async fn broken_products_are_not_served() {
    let Some(server) = shared::mongo().await else { return };
    for change in [
        doc! { "details.currency": "usd" },
        doc! { "details.price": -1_i64 },
        doc! { "details.price": 1.5 },
        doc! { "details.tags": "cosy" },
        doc! { "details.rating": 501_i64 },
        doc! { "stock.reserved": 11_i64 },
        doc! { "stock.onHand": -1_i64 },
        doc! { "stock": 1_i64 },
    ] {
        let subject = filled(server.uri()).await;
        break_all(&subject.products.collections.products, change.clone()).await;
        assert!(is_inconsistent(subject.products.shelves(vec![product_id(1)]).await), "{change}");
        let found = audit(&subject.products).await.unwrap().findings;
        assert!(matches!(found.last(), Some(Finding::Unreadable(_))), "{change}: {found:?}");
    }
}

#[tokio::test]
async fn a_broken_ledger_is_found() {
    let Some(server) = shared::mongo().await else { return };
    let subject = filled(server.uri()).await;
    let store = &subject.products;
    let movements = &store.collections.movements;
    movements.delete_one(doc! { "_id": 2_i64 }).await.unwrap();
    assert!(is_inconsistent(store.movements(product_id(1), None, 10).await));
    assert_eq!(store.movements(product_id(1), None, 1).await.unwrap().len(), 1, "what is there is shown");
    assert!(is_inconsistent(store.decisions(vec![reservation_id(1)]).await), "a movement is missing");
    assert_eq!(store.decisions(vec![reservation_id(2)]).await.unwrap().len(), 1);
    assert!(!audit(store).await.unwrap().is_clean());
    break_all(movements, doc! { "previous": 3_i64 }).await;
    assert!(is_inconsistent(store.movements(product_id(1), None, 10).await), "it goes in circles");
    break_all(movements, doc! { "kind": 9_i64 }).await;
    assert!(is_inconsistent(store.ledger(None, 10).await));
}

#[tokio::test]
async fn decisions_and_holds_are_proved() {
    let Some(server) = shared::mongo().await else { return };
    for change in [doc! { "state": 3_i64 }, doc! { "movements": 2_i64 }, doc! { "number": -1_i64 }] {
        let subject = filled(server.uri()).await;
        break_all(&subject.products.collections.reservations, change.clone()).await;
        assert!(is_inconsistent(subject.products.decisions(vec![reservation_id(1)]).await), "{change}");
    }
    let subject = filled(server.uri()).await;
    break_all(&subject.products.collections.holds, doc! { "quantity": 0_i64 }).await;
    assert!(is_inconsistent(subject.products.holds(product_id(1), None, 10).await));
}
