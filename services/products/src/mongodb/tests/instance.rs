//! An instance of the service on a database: its decider, and the messages of its share of the partitions.

use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::event::{Body, Event, ReleaseRequest};
use holdfast_contract::{OrderId, Partition, Quantity, Timestamp, Topic};
use holdfast_service::{Lifecycle, ManualClock, Steps};
use holdfast_storage::{Advance, Inbox as _, Incarnation, Position, Record, Seq, StoreError, TopicPartition};
use parking_lot::Mutex;

use super::super::MongoProducts;
use super::open;
use crate::decider::{Create, Decider, HttpHold, start};
use crate::domain::OrderRef;
use crate::store::ProductStore;
use crate::suite::sample::{details, product_id, request, reservation_id};

pub(super) struct Instance {
    pub(super) products: MongoProducts,
    pub(super) decider: Decider,
    lifecycle: Lifecycle,
    /// The partition that it consumes, of every topic.
    partition: Partition,
    next: Mutex<[u64; 2]>,
}

const TOPICS: [Topic; 2] = [Topic::InventoryReserve, Topic::InventoryRelease];

/// What an order asks for, or that it wants nothing any more.
pub(super) enum Message {
    Reserve(u16, Vec<(u8, u32)>),
    Release(u16),
}

pub(super) fn http(n: u8, order: &str, units: u64) -> HttpHold {
    HttpHold {
        product: product_id(n),
        order: OrderRef::new(order).unwrap(),
        quantity: Quantity::new(units).unwrap(),
    }
}

impl Instance {
    pub(super) async fn start(uri: &str, database: &str, partition: u16) -> Self {
        let products = open(uri, database).await;
        let lifecycle = Lifecycle::new(Duration::from_secs(10));
        let clock = Arc::new(ManualClock::default());
        let store: Arc<dyn ProductStore> = Arc::new(products.clone());
        let (decider, task) = start(store, clock.clone(), Steps::new(clock));
        lifecycle.spawn("decider", task.run(lifecycle.stop_token()));
        Self { products, decider, lifecycle, partition: Partition(partition), next: Mutex::default() }
    }

    /// As a clean shutdown.
    pub(super) async fn stop(self) {
        drop(self.decider);
        self.lifecycle.shutdown();
        self.lifecycle.wait().await;
    }

    pub(super) async fn stock(&self, n: u8, on_hand: u64) {
        let create = Create { id: product_id(n), details: details(&format!("Product {n}"), 2_999), on_hand };
        self.decider.create(create, None).await.unwrap();
    }

    /// A batch of its partitions: what the messages are, and how they move the positions.
    pub(super) fn batch(&self, messages: &[Message]) -> (Vec<Arc<Record>>, Vec<Advance>) {
        let mut next = self.next.lock();
        let before = *next;
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            let (place, order, body) = match message {
                Message::Reserve(n, lines) => {
                    (0, reservation_id(*n), Body::ReserveRequest(request(*n, lines)))
                }
                Message::Release(n) => {
                    let reservation_id = reservation_id(*n);
                    let reason = "changed their mind".to_owned();
                    let release = ReleaseRequest { reservation_id, reason, shipped: false };
                    (1, reservation_id, Body::ReleaseRequest(release))
                }
            };
            let order = OrderId::new(order.key());
            let at = Timestamp::from_millis(1_767_225_600_000);
            records.push(Arc::new(Record {
                seq: Seq(0),
                topic: TOPICS[place],
                partition: self.partition,
                offset: next[place],
                key: order.to_string().into(),
                payload: Event::about_order(order, 1, at, body).encode().into(),
                at,
                traceparent: None,
            }));
            next[place] += 1;
        }
        let position = |next| Position { incarnation: Incarnation(7), next };
        let advances = (0..2).filter(|place| before[*place] < next[*place]).map(|place| Advance {
            group: PRODUCTS_GROUP,
            partition: TopicPartition { topic: TOPICS[place], partition: self.partition },
            from: (before[place] > 0).then(|| position(before[place])),
            to: position(next[place]),
        });
        (records, advances.collect())
    }

    /// Has a batch decided, again and again while the store is away; says how often it was not taken.
    pub(super) async fn handle(&self, messages: &[Message]) -> usize {
        let (records, advances) = self.batch(messages);
        let mut refused = 0;
        loop {
            match self.decider.batch(records.clone(), advances.clone()).await {
                Ok(()) => return refused,
                Err(StoreError::Unavailable(why)) => {
                    refused += 1;
                    assert!(refused < 1_000, "{why}");
                }
                // It had taken effect, and the answer was lost.
                Err(StoreError::StaleWorker { .. }) => {
                    let positions = self.products.positions(PRODUCTS_GROUP).await.unwrap();
                    for advance in &advances {
                        assert!(positions.contains(&(advance.partition, advance.to)), "{positions:?}");
                    }
                    return refused;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
