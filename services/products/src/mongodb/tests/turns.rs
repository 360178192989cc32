//! Who decides, when instances come, go, and stand still.

use holdfast_servers::shared;
use holdfast_storage::StoreError;
use mongodb::bson::{DateTime, doc};

use super::super::{MongoProducts, TURN, lease};
use super::instance::{Instance, Message, http};
use super::{fresh, open};
use crate::audit::audit;
use crate::domain::Reservation;
use crate::store::{StockReads as _, Turns as _};
use crate::suite::sample::{product_id, reservation_id};

fn leases(products: &MongoProducts) -> mongodb::Collection<mongodb::bson::Document> {
    products.collections.mongo.database().collection("leases")
}

/// Makes every product inactive behind everybody's back, which only a decider that reads anew can see.
async fn withdraw(products: &MongoProducts) {
    let update = doc! { "$set": { "details.isActive": false } };
    products.collections.products.update_many(doc! {}, update).await.unwrap();
}

async fn is_held(products: &MongoProducts, n: u16) -> bool {
    let decision = products.decisions(vec![reservation_id(n)]).await.unwrap().remove(0);
    matches!(decision.reservation, Reservation::Held(_))
}

#[tokio::test]
async fn memory_lasts_as_long_as_nobody_else_decides() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let first = Instance::start(subject.uri, &subject.database, 0).await;
    let second = Instance::start(subject.uri, &subject.database, 1).await;
    first.stock(1, 100).await;
    first.handle(&[Message::Reserve(1, vec![(1, 1)])]).await;
    withdraw(&subject.products).await;
    first.handle(&[Message::Reserve(2, vec![(1, 1)])]).await;
    assert!(is_held(&subject.products, 2).await, "it has the product at hand");
    // Its turn ends, and nobody else takes it.
    let over = doc! { "$set": { "until": DateTime::MIN } };
    leases(&subject.products).update_one(doc! { "_id": TURN }, over).await.unwrap();
    first.handle(&[Message::Reserve(3, vec![(1, 1)])]).await;
    assert!(is_held(&subject.products, 3).await, "it has the product at hand");
    // The other one has never seen it, and its turn makes the first one's memory old.
    second.handle(&[Message::Reserve(4, vec![(1, 1)])]).await;
    assert!(!is_held(&subject.products, 4).await);
    first.handle(&[Message::Reserve(5, vec![(1, 1)])]).await;
    assert!(!is_held(&subject.products, 5).await, "it has read the product anew");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn calls_on_both_instances_are_served() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let first = Instance::start(subject.uri, &subject.database, 0).await;
    let second = Instance::start(subject.uri, &subject.database, 1).await;
    first.stock(1, 100).await;
    for n in 0..10 {
        let name = format!("till-{n}");
        let made = first.decider.reserve(http(1, &name, 1)).await.unwrap();
        assert!(!made.repeated);
        // The same call on the other instance.
        let again = second.decider.reserve(http(1, &name, 1)).await.unwrap();
        assert!(again.repeated);
        assert_eq!(again.new_stock, made.new_stock);
        let back = second.decider.release(http(1, &name, 1)).await.unwrap();
        assert_eq!(back.new_stock, 100);
    }
    first.stop().await;
    second.stop().await;
    // A clean end gives the turn back, so nobody has to wait.
    assert!(
        subject.products.collections.mongo.lease(TURN, std::time::Duration::ZERO).await.unwrap().is_some()
    );
    assert!(audit(&subject.products).await.unwrap().is_clean());
}

#[tokio::test]
async fn who_was_stalled_commits_nothing_and_goes_on_with_what_is_true() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let stalled = Instance::start(subject.uri, &subject.database, 0).await;
    let other = Instance::start(subject.uri, &subject.database, 1).await;
    stalled.stock(1, 10).await;
    stalled.handle(&[Message::Reserve(1, vec![(1, 1)])]).await;
    // As if its time had run out while it stood still.
    let over = doc! { "$set": { "until": DateTime::MIN } };
    leases(&subject.products).update_one(doc! { "_id": TURN }, over).await.unwrap();
    other.handle(&[Message::Reserve(2, vec![(1, 9)])]).await;
    let (records, advances) = stalled.batch(&[Message::Reserve(3, vec![(1, 5)])]);
    let void = stalled.decider.batch(records.clone(), advances.clone()).await;
    assert!(matches!(void, Err(StoreError::Unavailable(_))), "{void:?}");
    assert_eq!(subject.products.decisions(vec![reservation_id(3)]).await.unwrap(), []);
    stalled.decider.batch(records, advances).await.unwrap();
    assert!(!is_held(&subject.products, 3).await, "there is nothing left");
    assert!(audit(&subject.products).await.unwrap().is_clean());
    stalled.stop().await;
    other.stop().await;
}

/// The server would keep its transaction, and everything that it has locked, for a minute.
#[tokio::test]
async fn who_is_gone_in_the_middle_of_a_commit_holds_nobody_up() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let gone = open(subject.uri, &subject.database).await;
    let turn = gone.take_turn().await.unwrap();
    let mut session = gone.collections.session.lock().await.take().unwrap();
    session.start_transaction().await.unwrap();
    let lasts = turn.lasts.unwrap();
    let held = gone.collections.mongo.hold_lease(&mut session, TURN, lease(turn), lasts).await.unwrap();
    assert!(held.is_some());
    // Not even its driver says a word about it.
    std::mem::forget(session);

    let other = Instance::start(subject.uri, &subject.database, 1).await;
    other.stock(1, 10).await;
    other.handle(&[Message::Reserve(1, vec![(1, 1)])]).await;
    assert!(is_held(&subject.products, 1).await);
    assert_eq!(subject.products.shelves(vec![product_id(1)]).await.unwrap()[0].level.reserved(), 1);
    other.stop().await;
}
