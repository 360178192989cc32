//! A shop to test against.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use holdfast_bus::worker::Handler;
use holdfast_bus::{Bus, EmbeddedBus, PRODUCTS_GROUP};
use holdfast_contract::event::{Body, Event, Line, ReserveRequest};
use holdfast_contract::text::{Name, UserId};
use holdfast_contract::{
    Currency, Decimal, LineId, OrderId, Partition, ProductId, Quantity, Timestamp, Topic,
};
use holdfast_products::consumer::StockHandler;
use holdfast_products::decider::{self, Decider};
use holdfast_products::http::{App, router};
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::http::{HttpOptions, finish};
use holdfast_service::operator::{self, Operator};
use holdfast_service::test_support::{TestClient, TestRequest, TestResponse};
use holdfast_service::{Clock, KeySource, Lifecycle, ManualClock, SequentialKeys, Steps};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{Outgoing, Record, Seq, StoreError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) const PRODUCTS: &str = "/api/v1/products";

pub(crate) struct Shop {
    pub(crate) client: TestClient,
    pub(crate) store: Arc<SqliteProducts>,
    pub(crate) decider: Decider,
    /// What carries messages between the two.
    pub(crate) bus: Arc<dyn Bus>,
    /// What Orders would write to.
    pub(crate) orders: Arc<Database>,
    router: Router,
    _lifecycle: Lifecycle,
    clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteProducts::open(folder.path().join("products.db")).unwrap());
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (decider, task) = decider::start(store.clone(), shared.clone(), Steps::new(shared));
        let lifecycle = Lifecycle::new(Duration::from_secs(10));
        lifecycle.spawn("decider", task.run(CancellationToken::new()));
        let keys: Arc<dyn KeySource> = Arc::new(SequentialKeys::new());
        let app = App { store: store.clone(), decider: decider.clone(), keys, currency: Currency::USD };
        let none = Migrations { component: "test", steps: &[] };
        let orders = Options::new(folder.path().join("orders.db"), none, Topic::FROM_ORDERS);
        let orders = Arc::new(Database::open(&orders).unwrap());
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(vec![orders.clone(), store.journal()]));
        let operator = Operator {
            service: "products",
            group: PRODUCTS_GROUP,
            consumes: Topic::TO_PRODUCTS,
            bus: bus.clone(),
            inbox: store.clone(),
            dead_letters: Arc::new(decider.clone()),
        };
        let router = router(app).merge(operator::router(operator));
        let client = TestClient::new(finish(router.clone(), HttpOptions::default()));
        Self { client, store, decider, bus, orders, router, _lifecycle: lifecycle, clock, _folder: folder }
    }

    /// Its routes, without the outer layer.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    /// Adds a product and gives its id.
    pub(crate) async fn product(&self, name: &str, stock: u64) -> String {
        self.clock.advance(Duration::from_secs(1));
        let body = json!({"name": name, "price": 29.99, "stock": stock});
        let response = self.client.post(PRODUCTS).json(&body).send().await;
        assert_eq!(response.status, 201, "{}", response.text());
        response.json["data"]["product"]["_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.client.get(&format!("{PRODUCTS}{path}")).send().await
    }

    /// The product as it is now.
    pub(crate) async fn show(&self, id: &str) -> Value {
        let response = self.get(&format!("/{id}")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json["data"]["product"].clone()
    }

    /// (stock, reserved, on hand)
    pub(crate) async fn balances(&self, id: &str) -> (i64, i64, i64) {
        let product = self.show(id).await;
        let number = |field: &str| product[field].as_i64().unwrap();
        (number("stock"), number("reserved"), number("onHand"))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> TestRequest {
        self.client.post(&format!("{PRODUCTS}{path}")).json(body)
    }

    pub(crate) async fn reserve(&self, id: &str, order: &str, quantity: u64) -> TestResponse {
        let body = json!({"quantity": quantity, "orderId": order});
        self.post(&format!("/{id}/reserve"), &body).send().await
    }

    pub(crate) async fn release(&self, id: &str, order: &str, quantity: u64) -> TestResponse {
        let body = json!({"quantity": quantity, "orderId": order});
        self.post(&format!("/{id}/release"), &body).send().await
    }

    pub(crate) async fn adjust(&self, id: &str, key: &str, delta: i64) -> TestResponse {
        let body = json!({"delta": delta, "reason": "counted"});
        self.post(&format!("/{id}/adjust"), &body).header("idempotency-key", key).send().await
    }

    /// Every item of a cursor list, in stretches of `limit`.
    pub(crate) async fn all(&self, id: &str, list: &str, limit: usize) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let response = self.get(&format!("/{id}/{list}?limit={limit}&cursor={cursor}")).await;
            assert_eq!(response.status, 200, "{}", response.text());
            let page = response.json["data"][list].as_array().unwrap();
            assert_eq!(response.json["data"]["count"], page.len());
            assert!(page.len() <= limit);
            items.extend(page.iter().cloned());
            match response.json["meta"]["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return items,
            }
        }
    }

    /// Publishes anything as Orders does.
    pub(crate) async fn publish(&self, topic: Topic, key: &str, payload: impl Into<Bytes>) {
        let (key, payload, at) = (Bytes::from(key.to_owned()), payload.into(), self.clock.now());
        let outgoing = Outgoing { topic, key, payload, at, traceparent: None };
        self.orders
            .write(move |tx| tx.append(outgoing).map(drop))
            .await
            .unwrap_or_else(|e: StoreError| panic!("{e}"));
    }

    /// Takes one batch in: whatever was published since.
    pub(crate) async fn take(&self) {
        let topics = Topic::TO_PRODUCTS;
        let mut consumer = self.bus.subscribe(PRODUCTS_GROUP, topics, self.store.inbox()).await.unwrap();
        let batch = consumer.poll(1_000).await.unwrap();
        StockHandler::new(self.decider.clone()).handle(&batch).await.unwrap();
    }

    /// Has the decider take a request for stock, as it comes from the bus.
    pub(crate) async fn reserve_by_event(&self, order: OrderId, id: &str, quantity: u64) {
        self.decider.batch(vec![Arc::new(request(order, id, quantity))], Vec::new()).await.unwrap();
    }
}

/// Order number `n`.
pub(crate) fn order(n: u64) -> OrderId {
    OrderId::new(SequentialKeys::nth(n))
}

/// A request for stock, as it stands in `inventory.reserve`.
pub(crate) fn request(order: OrderId, product: &str, quantity: u64) -> Record {
    let at = Timestamp::from_millis(1_767_225_600_000);
    let lines = vec![Line {
        line_id: LineId(1),
        product_id: product.parse::<ProductId>().unwrap(),
        product_name: Name::new("Test Product").unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        unit_price: Decimal::parse("29.99").unwrap(),
    }];
    let body = Body::ReserveRequest(ReserveRequest {
        reservation_id: order.into(),
        user_id: UserId::new("u").unwrap(),
        currency: Currency::USD,
        enforce_price: false,
        lines,
    });
    let event = Event::about_order(order, 1, at, body);
    Record {
        seq: Seq(1),
        topic: Topic::InventoryReserve,
        partition: Partition(0),
        offset: 0,
        key: Bytes::from(order.to_string()),
        payload: Bytes::from(event.encode()),
        at,
        traceparent: None,
    }
}
