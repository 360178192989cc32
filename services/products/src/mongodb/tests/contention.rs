//! Two instances on one database, both with messages and calls.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_contract::event::{Body, Event};
use holdfast_contract::text::Note;
use holdfast_servers::shared;
use rustc_hash::{FxHashMap, FxHashSet};

use super::instance::{Instance, Message, http};
use super::{Mongodb, fresh};
use crate::audit::audit;
use crate::decider::{Adjust, CommandError, Create};
use crate::domain::Refusal;
use crate::store::StockReads as _;
use crate::suite::sample::{details, product_id, reservation_id};

const BATCHES: u16 = 25;
const ORDERS: u16 = 20;
const PRODUCTS: u8 = 10;
/// Of each product; much less than is asked for.
const ON_HAND: u64 = 120;

/// The orders of an instance: they do not overlap.
fn order(instance: u16, batch: u16, n: u16) -> u16 {
    instance * 10_000 + batch * ORDERS + n + 1
}

async fn consume(instance: Arc<Instance>, number: u16) -> usize {
    let mut refused = 0;
    for batch in 0..BATCHES {
        let mut messages = Vec::new();
        for n in 0..ORDERS {
            let cold = 2 + (n % u16::from(PRODUCTS - 1)) as u8;
            let id = order(number, batch, n);
            messages.push(Message::Reserve(id, vec![(1, 1), (cold, 2)]));
            // Some in the same batch, some of an earlier one.
            if n % 5 == 0 {
                messages.push(Message::Release(id));
            }
            if n % 5 == 1 && batch > 0 {
                messages.push(Message::Release(order(number, batch - 1, n)));
            }
        }
        refused += instance.handle(&messages).await;
    }
    refused
}

/// Calls, one after the other; gives what it holds.
async fn call(instance: Arc<Instance>, number: u16, caller: u16) -> u64 {
    let mut held = 0;
    for n in 0..12 {
        let name = format!("till-{number}-{caller}-{n}");
        match instance.decider.reserve(http(1, &name, 1)).await {
            Ok(answer) => {
                assert!(!answer.repeated);
                held += 1;
            }
            Err(CommandError::Refused(Refusal::InsufficientStock { .. })) => {}
            Err(other) => panic!("{other:?}"),
        }
        if n % 4 == 0 && held > 0 {
            let adjust = Adjust { product: product_id(1), delta: 1, reason: Note::new("found one").unwrap() };
            instance.decider.adjust(adjust, None).await.unwrap();
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_oversold_or_done_twice() {
    let Some(server) = shared::mongo().await else { return };
    let Mongodb { products, database, uri, broker } = fresh(server.uri()).await;
    let mut instances = Vec::new();
    for partition in 0..2 {
        instances.push(Arc::new(Instance::start(uri, &database, partition).await));
    }
    for n in 1..=PRODUCTS {
        // In turn on each of them: the other one does not know the product yet.
        instances[usize::from(n % 2)].stock(n, ON_HAND).await;
    }
    let consumers = join_all((0..2).map(|n| consume(instances[usize::from(n)].clone(), n)));
    let callers = join_all((0..8).map(|n| call(instances[usize::from(n % 2)].clone(), n % 2, n)));
    let created = async {
        for n in 100..110 {
            let create = Create { id: product_id(n), details: details("Late", 1), on_hand: 1 };
            instances[usize::from(n % 2)].decider.create(create, None).await.unwrap();
        }
    };
    let (refused, held, ()) = tokio::join!(consumers, callers, created);
    let refused: usize = refused.into_iter().sum();
    let over_http: u64 = held.into_iter().sum();
    assert_eq!(refused, 0, "with turns no batch is decided in vain");

    let report = audit(&products).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    for n in 1..=PRODUCTS {
        let shelf = products.shelves(vec![product_id(n)]).await.unwrap().remove(0);
        assert!(shelf.level.reserved() <= shelf.level.on_hand());
    }
    let holds = products.holds(product_id(1), None, 10_000).await.unwrap();
    let of_calls = holds.iter().filter(|hold| hold.source() == crate::domain::HoldSource::Http).count();
    assert_eq!(of_calls as u64, over_http);

    // Every order was decided, and every message answered once.
    let ids: Vec<_> = (0..2)
        .flat_map(|instance| (0..BATCHES).flat_map(move |b| (0..ORDERS).map(move |n| order(instance, b, n))))
        .map(reservation_id)
        .collect();
    assert_eq!(products.decisions(ids.clone()).await.unwrap().len(), ids.len());
    let subject = Mongodb { products: products.clone(), database, uri, broker };
    subject.relay().await;
    let mut answers = FxHashSet::default();
    let mut versions = FxHashMap::default();
    for record in &subject.broker.lock().records {
        let event = Event::decode(record.topic, &record.payload).unwrap().unwrap();
        match event.body {
            Body::StockChanged(changed) => {
                let before = versions.insert(changed.product_id, changed.version);
                assert!(before < Some(changed.version), "the outbox is in the order of the commits");
            }
            _ => assert!(answers.insert(event.head.event_id), "an answer was given twice"),
        }
    }
    let releases = 2 * (u64::from(BATCHES) * 4 + u64::from(BATCHES - 1) * 4);
    assert_eq!(answers.len() as u64, ids.len() as u64 + releases);
}
