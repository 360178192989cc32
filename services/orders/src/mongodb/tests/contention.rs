//! Clients and consumers on the same orders at the same time.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_contract::OrderStatus;
use holdfast_servers::shared;
use holdfast_storage::StoreError;

use super::super::MongoOrders;
use super::{Mongodb, fresh, open};
use crate::domain::{Answer, Command, Decision, decide};
use crate::store::{Change, Commit, CommitError, OrderReads as _, OrderWrites as _};
use crate::suite::given::{GROUP, advance, id, request, reserved, to};
use crate::suite::some_orders;

const ORDERS: u32 = 8;
const CLIENTS: usize = 32;
const CHANGES: usize = 12;

/// What a client does: read, decide, commit, again if somebody was faster. Says how many changes were taken.
async fn client(orders: Arc<MongoOrders>, n: usize) -> usize {
    let mut taken = 0;
    for round in 0..CHANGES {
        let id = id(((n + round) % ORDERS as usize) as u32);
        loop {
            let order = orders.get(id).await.unwrap().unwrap();
            // Whatever is still possible; in the end a note.
            let command = match (n + round) % 3 {
                0 => to(OrderStatus::Processing),
                1 => to(OrderStatus::Shipped),
                _ => Command::Answer(Answer::Fulfilled),
            };
            let change = match decide(&order, command, order.updated_at) {
                Ok(Decision::Changed(changed)) => Change::update(&order, changed, request("client"), None),
                _ => Change::note(order.clone(), request("client"), order.updated_at),
            };
            match orders.commit(Commit::of(change)).await {
                Ok(_) => break,
                Err(CommitError::VersionConflict(conflict)) => assert_eq!(conflict, id),
                Err(other) => panic!("{other:?}"),
            }
        }
        taken += 1;
    }
    taken
}

/// What a consumer does: all of the orders in one batch, with its position.
async fn consumer(orders: Arc<MongoOrders>) -> usize {
    let ids: Vec<_> = (0..ORDERS).map(id).collect();
    let mut taken = 0;
    let mut at = None;
    for batch in 0..CHANGES as u64 {
        loop {
            let mut changes = Vec::new();
            for order in orders.get_many(&ids).await.unwrap() {
                let order = order.unwrap();
                changes.push(match decide(&order, reserved(), order.updated_at) {
                    Ok(Decision::Changed(changed)) => {
                        Change::update(&order, changed, request("consumer"), None)
                    }
                    _ => Change::note(order.clone(), request("consumer"), order.updated_at),
                });
            }
            let advances = vec![advance(at, batch + 1)];
            match orders.commit(Commit { changes, advances, ..Commit::default() }).await {
                Ok(_) => break,
                Err(CommitError::VersionConflict(_)) => {}
                // It gave way too often: a worker pauses, and does it again.
                Err(CommitError::Store(StoreError::Unavailable(why))) => println!("again: {why}"),
                Err(other) => panic!("{other:?}"),
            }
        }
        at = Some(batch + 1);
        taken += ids.len();
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_or_taken_twice() {
    let Some(server) = shared::mongo().await else { return };
    let Mongodb { orders, database, uri, .. } = fresh(server.uri()).await;
    let subject =
        Mongodb { orders: orders.clone(), database: database.clone(), uri, broker: Default::default() };
    some_orders(&subject, 0, ORDERS).await;
    // A second instance on the same database.
    let other = open(uri, &database).await;
    let clients = join_all((0..CLIENTS).map(|n| {
        let orders = if n % 2 == 0 { orders.clone() } else { other.clone() };
        tokio::spawn(client(orders, n))
    }));
    let consumer = tokio::spawn(consumer(other.clone()));
    let relaying = async {
        for _ in 0..20 {
            subject.relay().await;
        }
    };
    let (clients, consumer, ()) = tokio::join!(clients, consumer, relaying);
    let taken: usize = clients.into_iter().map(|taken| taken.unwrap()).sum::<usize>() + consumer.unwrap();
    subject.relay().await;

    // Every commit that was answered with success is one step, and every record of every step is out.
    let (mut steps, mut records) = (0, 0);
    for n in 0..ORDERS {
        let timeline = orders.timeline(id(n)).await.unwrap().unwrap();
        steps += timeline.steps.len();
        let changes = timeline.steps.iter().filter(|step| !step.note).count() as u64;
        assert_eq!(changes, timeline.order.version, "versions count the changes");
        for step in &timeline.steps {
            let places =
                step.outgoing.iter().map(|sent| sent.place).chain(step.live.iter().map(|sent| sent.place));
            for place in places {
                assert!(place.offset.is_some());
                records += 1;
            }
        }
    }
    assert_eq!(steps, taken + ORDERS as usize);
    assert_eq!(subject.broker.lock().records.len(), records);
    assert_eq!(orders.inbox().positions(GROUP).await.unwrap()[0].1.next, CHANGES as u64);
}
