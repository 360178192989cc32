//! A service under test.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use holdfast_bus::worker::Handler;
use holdfast_bus::{Bus, Consumer, EmbeddedBus, ORDERS_GROUP};
use holdfast_contract::event::{Body, Event, StockFulfilled, StockRejected, StockReleased, StockReserved};
use holdfast_contract::stock::{Balances, Movement, MovementKind, RejectReason, Shortage};
use holdfast_contract::{Currency, LineId, OrderId, ProductId, Topic};
use holdfast_orders::consumer::Answers;
use holdfast_orders::http;
use holdfast_orders::sqlite::{SqliteOptions, SqliteOrders};
use holdfast_orders::usecase::{Parts, UseCases};
use holdfast_service::http::{HttpOptions, finish};
use holdfast_service::operator::{self, Operator};
use holdfast_service::test_support::{TestClient, TestResponse};
use holdfast_service::{Clock, ManualClock, Steps, TimeOrderedKeys};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{Inbox, Journal, Outgoing, Record, Seq};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use holdfast_contract::event::ReleaseOutcome;

/// The product of [`order`].
pub(crate) const PRODUCT: &str = "64f0c2a1b2c3d4e5f6a7b8c9";
const NONE: Migrations = Migrations { component: "test", steps: &[] };

pub(crate) struct World {
    pub(crate) client: TestClient,
    pub(crate) store: Arc<SqliteOrders>,
    pub(crate) cases: Arc<UseCases>,
    pub(crate) answers: Answers,
    pub(crate) clock: ManualClock,
    /// What carries messages between the two.
    pub(crate) bus: Arc<dyn Bus>,
    /// What Products would write to.
    pub(crate) products: Arc<Database>,
    consumer: Mutex<Box<dyn Consumer>>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_open_orders(None).await
    }

    pub(crate) async fn with_open_orders(limit: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteOrders::open(&SqliteOptions::new(folder.path().join("orders.db"))).await.unwrap();
        let options = Options::new(folder.path().join("products.db"), NONE, Topic::FROM_PRODUCTS);
        let products = Arc::new(Database::open(&options).unwrap());
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let steps = Steps::new(shared.clone());
        let cases = UseCases::new(Parts {
            store: store.clone(),
            clock: shared.clone(),
            keys: Arc::new(TimeOrderedKeys::new(shared.clone(), 7)),
            currency: Currency::USD,
            steps: steps.clone(),
            places: None,
        });
        let cases = Arc::new(cases.with_open_orders(limit));
        let inbox: Arc<dyn Inbox> = store.database().clone();
        let answers = Answers::new(store.clone(), inbox.clone(), shared, steps);
        let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(vec![store.database().clone(), products.clone()]));
        let consumer = bus.subscribe(ORDERS_GROUP, Topic::TO_ORDERS, inbox).await.unwrap();
        let router = routes(&bus, &store, &cases, &answers);
        let client = TestClient::new(finish(router, HttpOptions::default()));
        Self {
            client,
            store,
            cases,
            answers,
            clock,
            bus,
            products,
            consumer: Mutex::new(consumer),
            _folder: folder,
        }
    }

    /// Its routes, without the outer layer.
    pub(crate) fn router(&self) -> Router {
        routes(&self.bus, &self.store, &self.cases, &self.answers)
    }

    /// What another process on the same database would have.
    pub(crate) fn another_instance(&self) -> Answers {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let inbox: Arc<dyn Inbox> = self.store.database().clone();
        Answers::new(self.store.clone(), inbox, clock.clone(), Steps::new(clock))
    }

    /// Places an order of two of [`PRODUCT`]; gives its JSON.
    pub(crate) async fn placed(&self) -> Value {
        self.placed_by("test-user-123").await
    }

    pub(crate) async fn placed_by(&self, user: &str) -> Value {
        let mut body = order();
        body["userId"] = json!(user);
        let response = self.client.post(http::BASE).json(&body).send().await;
        assert_eq!(response.status, 201, "{}", response.json);
        response.json["data"]["order"].clone()
    }

    /// Places an order and has Products reserve its stock.
    pub(crate) async fn reserved(&self) -> Value {
        let order = self.placed().await;
        self.answer(&order, reserved(&order)).await;
        self.get(&order).await
    }

    /// The order as it is now.
    pub(crate) async fn get(&self, order: &Value) -> Value {
        let response = self.client.get(&path(order, "")).send().await;
        assert_eq!(response.status, 200, "{}", response.json);
        response.json["data"]["order"].clone()
    }

    pub(crate) async fn set_status(&self, order: &Value, status: impl Into<Value>) -> TestResponse {
        self.client.patch(&path(order, "/status")).json(&json!({ "status": status.into() })).send().await
    }

    /// Everything that was sent on `topic`, oldest first.
    pub(crate) async fn sent(&self, topic: Topic) -> Vec<Value> {
        let records = Journal::read(&**self.store.database(), Seq(0), 100_000).await.unwrap();
        let payload = |r: &Arc<Record>| serde_json::from_slice(&r.payload).unwrap();
        records.iter().filter(|r| r.topic == topic).map(payload).collect()
    }

    /// Publishes an answer as Products does, and has it taken in.
    pub(crate) async fn answer(&self, order: &Value, body: Body) {
        self.publish(order, body).await;
        self.take().await;
    }

    /// Publishes an answer.
    pub(crate) async fn publish(&self, order: &Value, body: Body) {
        let (id, at) = (id(order), self.clock.now());
        let topic = body.topic();
        let payload = Event::about_order(id, 1, at, body).encode();
        self.publish_raw(topic, id.to_string(), payload).await;
    }

    /// Publishes anything.
    pub(crate) async fn publish_raw(&self, topic: Topic, key: String, payload: impl Into<Bytes>) {
        let (key, payload, at) = (key.into(), payload.into(), self.clock.now());
        let outgoing = Outgoing { topic, key, payload, at, traceparent: None };
        self.products.write(move |tx| tx.append(outgoing).map(drop)).await.unwrap();
    }

    /// Takes one batch in: whatever was published since.
    pub(crate) async fn take(&self) {
        let mut consumer = self.consumer.lock().await;
        let batch = consumer.poll(1_000).await.unwrap();
        self.answers.clone().handle(&batch).await.unwrap();
        consumer.commit(&batch).await.unwrap();
    }
}

fn routes(bus: &Arc<dyn Bus>, store: &Arc<SqliteOrders>, cases: &Arc<UseCases>, answers: &Answers) -> Router {
    let operator = Operator {
        service: "orders",
        group: ORDERS_GROUP,
        consumes: Topic::TO_ORDERS,
        bus: bus.clone(),
        inbox: store.database().clone(),
        dead_letters: Arc::new(answers.clone()),
    };
    http::router(cases.clone()).merge(operator::router(operator))
}

/// A good order: the quick start's Test 1.
pub(crate) fn order() -> Value {
    json!({
        "userId": "test-user-123",
        "items": [{"productId": PRODUCT, "productName": "Test Product", "quantity": 2, "price": 29.99}],
        "totalAmount": 59.98,
        "shippingAddress": {
            "street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"
        },
        "paymentMethod": "credit_card"
    })
}

pub(crate) fn path(order: &Value, rest: &str) -> String {
    format!("{}/{}{rest}", http::BASE, order["_id"].as_str().unwrap())
}

pub(crate) fn id(order: &Value) -> OrderId {
    order["_id"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn reserved(order: &Value) -> Body {
    let movements = vec![movement(MovementKind::Reserved, 0, 2)];
    Body::StockReserved(StockReserved {
        reservation_id: id(order).into(),
        movements,
        price_differences: vec![],
    })
}

pub(crate) fn released(order: &Value, outcome: ReleaseOutcome) -> Body {
    Body::StockReleased(StockReleased { reservation_id: id(order).into(), outcome, movements: vec![] })
}

pub(crate) fn fulfilled(order: &Value) -> Body {
    let movements = vec![movement(MovementKind::Fulfilled, -2, -2)];
    Body::StockFulfilled(StockFulfilled { reservation_id: id(order).into(), movements })
}

pub(crate) fn rejected(order: &Value) -> Body {
    let product: ProductId = PRODUCT.parse().unwrap();
    let short = |product_id, name: &str, requested, available, reason| Shortage {
        product_id,
        product_name: name.parse().unwrap(),
        line_ids: vec![LineId(1)],
        requested,
        available,
        reason,
    };
    Body::StockRejected(StockRejected {
        reservation_id: id(order).into(),
        reason: RejectReason::OutOfStock,
        shortages: vec![
            short(product, "Test Product", 5, 2, RejectReason::OutOfStock),
            short(ProductId::from_bytes([3; 12]), "Other Product", 1, 0, RejectReason::OutOfStock),
        ],
    })
}

fn movement(kind: MovementKind, on_hand_delta: i64, reserved_delta: i64) -> Movement {
    Movement {
        movement_id: "M-1".to_owned(),
        product_id: PRODUCT.parse().unwrap(),
        product_name: "Test Product".parse().unwrap(),
        line_id: Some(LineId(1)),
        kind,
        on_hand_delta,
        reserved_delta,
        hold_id: Some("H-1".to_owned()),
        location_id: "default".to_owned(),
        balances: Balances::new(50, 2),
        at: ManualClock::default().now(),
    }
}
