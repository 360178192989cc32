//! The outbox suite: what a key sends is sent by its order.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::OrderId;
use holdfast_servers::{shared, unique_name};
use holdfast_storage::suite::outbox::{Harness, Subject, run};
use holdfast_storage::{Claim as _, Outbox, Outgoing};
use mongodb::bson::{DateTime, doc};

use super::super::MongoOrders;
use super::{fresh, open};
use crate::domain::{Changed, Order};
use crate::store::{Change, Commit, OrderReads as _, OrderWrites as _, StepCause};
use crate::suite::given::{at, copy, insert, placed, request};

struct Orders(Arc<MongoOrders>);

fn order_of(record: &Outgoing) -> OrderId {
    std::str::from_utf8(&record.key).unwrap().parse().unwrap()
}

fn new_order(id: OrderId) -> Change {
    let Changed { order, .. } = placed(0);
    let order = Order::restore(crate::domain::Parts { id, ..order.into_parts() }).unwrap();
    Change::insert(Changed { order, events: Vec::new(), live: Vec::new() }, request("place"), None)
}

#[async_trait]
impl Subject for Orders {
    async fn append(&self, records: Vec<Outgoing>) {
        for record in records {
            let id = order_of(&record);
            let mut change = match self.0.get(id).await.unwrap() {
                Some(order) => Change::note(order, StepCause::System, at(0)),
                None => new_order(id),
            };
            change.events.push(record);
            self.0.commit(Commit::of(change)).await.unwrap();
        }
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.0.clone()
    }

    async fn lapse(&self, shard: u16) -> bool {
        let over = doc! { "$set": { "until": DateTime::MIN } };
        let shards = &self.0.collections.shards;
        shards.update_one(doc! { "_id": i32::from(shard) }, over).await.unwrap().matched_count == 1
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

struct Databases {
    uri: &'static str,
    prefix: String,
}

#[async_trait]
impl Harness for Databases {
    async fn open(&self, n: u32) -> Arc<dyn Subject> {
        Arc::new(Orders(open(self.uri, &format!("{}-{n}", self.prefix)).await))
    }
}

#[tokio::test]
async fn holds_to_the_specification() {
    let Some(server) = shared::mongo().await else { return };
    run(&Databases { uri: server.uri(), prefix: unique_name("outbox") }).await;
}

#[tokio::test]
async fn a_timeline_has_no_offsets_before_the_broker_has_them() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let change = insert(1);
    let id = change.order().id;
    subject.orders.commit(Commit::of(change)).await.unwrap();
    let offsets = async || {
        let timeline = subject.orders.timeline(id).await.unwrap().unwrap();
        let step = timeline.steps[0].clone();
        let events = step.outgoing.into_iter().map(|sent| sent.place);
        events
            .chain(step.live.into_iter().map(|sent| sent.place))
            .map(|place| place.offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets().await, [None; 3]);
    subject.relay().await;
    assert_eq!(offsets().await, [Some(100); 3]);
}

/// Copies of parked messages belong to no order.
#[tokio::test]
async fn copies_go_out_once_and_in_order() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let mut expected = Vec::new();
    for n in 0..3u8 {
        let copies: Vec<Outgoing> =
            (0..2u8).map(|m| Outgoing { payload: vec![b'0' + n, b'0' + m].into(), ..copy() }).collect();
        expected.extend(copies.iter().map(|copy| copy.payload.clone()));
        subject.orders.commit(Commit { copies, ..Commit::default() }).await.unwrap();
    }
    subject.relay().await;
    subject.relay().await;
    let sent: Vec<_> = subject.broker.lock().records.iter().map(|record| record.payload.clone()).collect();
    assert_eq!(sent, expected);
}

/// More orders are unsent than one page has, and some of them change while they are in flight.
#[tokio::test]
async fn records_made_in_flight_come_after_those_that_were_given() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    crate::suite::some_orders(&subject, 0, 40).await;
    let mut claims = Vec::new();
    for shard in 0..super::SHARDS {
        claims.push(subject.orders.claim_shard(shard).await.unwrap().unwrap());
    }
    let mut given = Vec::new();
    for claim in &mut claims {
        given.extend(claim.unsent(12).await.unwrap());
    }
    assert!(given.len() >= 36 && given.len() < 120, "{}", given.len());
    let id = order_of(&given[0].record);
    let order = subject.orders.get(id).await.unwrap().unwrap();
    let cancel = crate::suite::given::to(holdfast_contract::OrderStatus::Cancelled);
    let change = crate::suite::given::update(&order, cancel);
    subject.orders.commit(Commit::of(change)).await.unwrap();
    let mut later = Vec::new();
    for claim in &mut claims {
        loop {
            let page = claim.unsent(12).await.unwrap();
            if page.is_empty() {
                break;
            }
            later.extend(page);
        }
    }
    assert_eq!(given.len() + later.len(), 40 * 3 + 5);
    let of_order = |unsent: &[holdfast_storage::Unsent]| {
        let mine = unsent.iter().filter(|unsent| order_of(&unsent.record) == id);
        mine.map(|unsent| unsent.id.number).collect::<Vec<_>>()
    };
    assert_eq!(of_order(&given), [0, 1, 2]);
    assert_eq!(of_order(&later), [3, 4, 5, 6, 7]);
}
