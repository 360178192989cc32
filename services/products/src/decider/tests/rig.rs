//! Both ends of the bus: a journal that stands for Orders, and Products with its decider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_bus::worker::Handler;
use holdfast_bus::{Batch, Bus, Consumer, EmbeddedBus, PRODUCTS_GROUP};
use holdfast_contract::event::{Body, Event, Line, OrderStatusChanged, ReleaseRequest, ReserveRequest};
use holdfast_contract::text::Name;
use holdfast_contract::{
    Currency, Decimal, Key, LineId, Money, OrderId, OrderStatus, ProductId, Quantity, StockStatus, Timestamp,
    Topic,
};
use holdfast_service::{Lifecycle, ManualClock, Steps};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{Inbox, Outgoing, Parked, Seq, StoreError};
use tempfile::TempDir;

use super::super::{Create, Decider, HttpHold, start};
use crate::audit::audit;
use crate::consumer::StockHandler;
use crate::domain::{Description, OrderRef, ProductDetails, Shelf};
use crate::sqlite::SqliteProducts;
use crate::store::{ProductStore, StockReads};

pub(super) fn order(n: u16) -> OrderId {
    OrderId::new(Key::compose(1_767_225_600_000, 1, n))
}

pub(super) fn product(n: u8) -> ProductId {
    ProductId::from_bytes([n; 12])
}

pub(super) fn details(name: &str) -> ProductDetails {
    ProductDetails {
        name: Name::new(name).unwrap(),
        description: Description::default(),
        price: Money::from_minor(2_999, Currency::USD).unwrap(),
        category: None,
        sku: None,
        brand: None,
        tags: Vec::new(),
        image_url: None,
        rating: None,
        review_count: 0,
        is_active: true,
    }
}

pub(super) fn http(n: u8, order: &str, units: u64) -> HttpHold {
    HttpHold {
        product: product(n),
        order: OrderRef::new(order).unwrap(),
        quantity: Quantity::new(units).unwrap(),
    }
}

pub(super) struct Rig {
    _folder: TempDir,
    orders: Arc<Database>,
    pub(super) store: SqliteProducts,
    bus: EmbeddedBus,
    pub(super) decider: Decider,
    lifecycle: Lifecycle,
    pub(super) consumer: Box<dyn Consumer>,
}

impl Rig {
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let none = Migrations { component: "orders", steps: &[] };
        let orders = Options::new(folder.path().join("orders.db"), none, Topic::FROM_ORDERS);
        let orders = Arc::new(Database::open(&orders).unwrap());
        let store = SqliteProducts::open(folder.path().join("products.db")).unwrap();
        let bus = EmbeddedBus::new(vec![orders.clone(), store.journal()]);
        let consumer = bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, store.inbox()).await.unwrap();
        let lifecycle = Lifecycle::new(Duration::from_secs(10));
        let decider = decide(&store, &lifecycle);
        Self { _folder: folder, orders, store, bus, decider, lifecycle, consumer }
    }

    /// As after a crash: a new decider that knows only what is stored, and a consumer at the stored position.
    pub(super) async fn restart(&mut self) {
        self.decider = decide(&self.store, &self.lifecycle);
        let inbox = self.store.inbox();
        self.consumer = self.bus.subscribe(PRODUCTS_GROUP, Topic::TO_PRODUCTS, inbox).await.unwrap();
    }

    pub(super) async fn stock(&self, n: u8, on_hand: u64) {
        let details = details(&format!("Product {n}"));
        self.decider.create(Create { id: product(n), details, on_hand }, None).await.unwrap();
    }

    async fn publish(&self, topic: Topic, key: OrderId, payload: Vec<u8>) {
        let outgoing = Outgoing {
            topic,
            key: key.to_string().into(),
            payload: payload.into(),
            at: Timestamp::from_millis(1_767_225_600_000),
            traceparent: None,
        };
        self.orders
            .write(move |tx| tx.append(outgoing).map(drop))
            .await
            .unwrap_or_else(|e: StoreError| panic!("{e}"));
    }

    pub(super) async fn say_raw(&self, topic: Topic, about: u16, payload: String) {
        self.publish(topic, order(about), payload.into_bytes()).await;
    }

    async fn say(&self, about: OrderId, body: Body) {
        let topic = body.topic();
        let event = Event::about_order(about, 1, Timestamp::from_millis(1_767_225_600_000), body);
        self.publish(topic, about, event.encode()).await;
    }

    pub(super) async fn poison(&self, topic: Topic, about: u16) {
        self.publish(topic, order(about), b"{\"eventType\":".to_vec()).await;
    }

    /// Asks for `lines` of (product, quantity).
    pub(super) async fn reserve(&self, n: u16, lines: &[(u8, u64)]) {
        let line = |(&(n, units), line): (&(u8, u64), u16)| Line {
            line_id: LineId(line),
            product_id: product(n),
            product_name: Name::new("as ordered").unwrap(),
            quantity: Quantity::new(units).unwrap(),
            unit_price: Decimal::parse("29.99").unwrap(),
        };
        let body = Body::ReserveRequest(ReserveRequest {
            reservation_id: order(n).into(),
            user_id: "customer".parse().unwrap(),
            currency: Currency::USD,
            enforce_price: false,
            lines: lines.iter().zip(1..).map(line).collect(),
        });
        self.say(order(n), body).await;
    }

    pub(super) async fn release(&self, n: u16, shipped: bool) {
        let reservation_id = order(n).into();
        let reason = "changed their mind".to_owned();
        self.say(order(n), Body::ReleaseRequest(ReleaseRequest { reservation_id, reason, shipped })).await;
    }

    pub(super) async fn status(&self, n: u16, new_status: OrderStatus) {
        let body = Body::OrderStatusChanged(OrderStatusChanged {
            reservation_id: order(n).into(),
            old_status: Some(OrderStatus::Processing),
            old_status_label: "Processing".to_owned(),
            new_status: Some(new_status),
            new_status_label: new_status.label().to_owned(),
            stock_status: Some(StockStatus::Reserved),
            reason: None,
            tracking_number: None,
        });
        self.say(order(n), body).await;
    }

    pub(super) async fn polled(&mut self) -> Batch {
        self.consumer.poll(512).await.unwrap()
    }

    pub(super) async fn handle(&self, batch: &Batch) -> Result<(), StoreError> {
        StockHandler::new(self.decider.clone()).handle(batch).await
    }

    async fn behind(&self) -> bool {
        let positions = self.store.positions(PRODUCTS_GROUP).await.unwrap();
        let bounds = self.bus.bounds(Topic::TO_PRODUCTS).await.unwrap();
        let next = |tp| positions.iter().find(|(p, _)| *p == tp).map_or(0, |(_, p)| p.next);
        bounds.iter().any(|b| next(b.partition) < b.end)
    }

    /// Handles everything that was published, and audits.
    pub(super) async fn catch_up(&mut self) {
        while self.behind().await {
            let batch = self.polled().await;
            self.handle(&batch).await.unwrap();
            self.consumer.commit(&batch).await.unwrap();
        }
        let report = audit(&self.store).await.unwrap();
        assert!(report.is_clean(), "invariant 7: {:?}", report.findings);
    }

    pub(super) async fn shelf(&self, n: u8) -> Shelf {
        self.store.shelves(vec![product(n)]).await.unwrap().pop().unwrap()
    }

    /// On hand and reserved.
    pub(super) async fn balances(&self, n: u8) -> (u64, u64) {
        let level = self.shelf(n).await.level;
        (level.on_hand(), level.reserved())
    }

    /// Everything that Products has said on `topic`.
    pub(super) async fn said(&self, topic: Topic) -> Vec<Event> {
        let records = self.store.journal().read(Seq(0), 100_000).await.unwrap();
        let of_topic = records.iter().filter(|r| r.topic == topic);
        of_topic.map(|r| Event::decode(r.topic, &r.payload).unwrap().unwrap()).collect()
    }

    pub(super) async fn payloads(&self, topic: Topic) -> Vec<Bytes> {
        let records = self.store.journal().read(Seq(0), 100_000).await.unwrap();
        records.iter().filter(|r| r.topic == topic).map(|r| r.payload.clone()).collect()
    }

    /// Makes every commit that moves stock fail, or no longer.
    pub(super) async fn break_store(&self, broken: bool) {
        let sql = if broken {
            "CREATE TRIGGER broken BEFORE INSERT ON movements BEGIN SELECT RAISE(ABORT, 'injected'); END;"
        } else {
            "DROP TRIGGER broken;"
        };
        let done =
            self.store.database().write(move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?));
        done.await.unwrap();
    }

    pub(super) async fn parked(&self) -> Vec<Parked> {
        self.store.parked(PRODUCTS_GROUP, None, 100).await.unwrap()
    }
}

fn decide(store: &SqliteProducts, lifecycle: &Lifecycle) -> Decider {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn ProductStore> = Arc::new(store.clone());
    let (decider, task) = start(store, clock.clone(), Steps::new(clock));
    lifecycle.spawn("decider", task.run(lifecycle.stop_token()));
    decider
}
