//! The service put together, on a real socket; and its binary, which refuses to run alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use holdfast_bus::{EmbeddedBus, PRODUCTS_GROUP};
use holdfast_contract::event::{Body, Event, StockReserved};
use holdfast_contract::{OrderId, Topic};
use holdfast_orders::service::{Database, Deps, Orders, Settings};
use holdfast_service::config::CommonArgs;
use holdfast_service::telemetry::Metrics;
use holdfast_service::{Clock, Lifecycle, Process, Steps, SystemClock};
use holdfast_storage::sqlite::{Database as Sqlite, Migrations, Options};
use holdfast_storage::{Inbox, Journal, Outgoing, StoreError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NONE: Migrations = Migrations { component: "test", steps: &[] };

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

struct Running {
    orders: Orders,
    database: Arc<Database>,
    products: Arc<Sqlite>,
    lifecycle: Lifecycle,
}

fn journal(database: &Database) -> Arc<dyn Journal> {
    database.journal.clone().unwrap()
}

async fn start(folder: &std::path::Path, pause_consumers: bool) -> Running {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let database = Arc::new(Database::open_sqlite(folder, clock.clone()).await.unwrap());
    let options = Options::new(folder.join("products.db"), NONE, Topic::FROM_PRODUCTS);
    let products = Arc::new(Sqlite::open(&options).unwrap());
    let bus = Arc::new(EmbeddedBus::new(vec![journal(&database), products.clone() as Arc<dyn Journal>]));
    let lifecycle = Lifecycle::new(Duration::from_secs(30));
    let common = Args::parse_from(["orders"]).common;
    let settings =
        Settings { pause_consumers, ..Settings::from_args("127.0.0.1:0".parse().unwrap(), &common).unwrap() };
    let orders = Orders::start(Deps {
        database: database.clone(),
        bus,
        consumed_by: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, products.clone() as Arc<dyn Inbox>)],
        broker: None,
        process: Process {
            steps: Steps::new(clock.clone()),
            clock,
            lifecycle: lifecycle.clone(),
            metrics: Metrics::install(),
            traces: holdfast_service::Traces::off(),
            auth: None,
        },
        settings,
    })
    .await
    .unwrap();
    Running { orders, database, products, lifecycle }
}

impl Running {
    /// One request on a connection of its own; gives the status and the body.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut stream = TcpStream::connect(self.orders.addr()).await.unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    async fn place(&self) -> Value {
        let order = json!({
            "userId": "u", "totalAmount": 1, "paymentMethod": "upi",
            "items": [{"productId": "64f0c2a1b2c3d4e5f6a7b8c9", "productName": "Lamp", "quantity": 1, "price": 1}],
            "shippingAddress": {"street": "s", "city": "c", "state": "s", "zipCode": "z", "country": "c"}
        });
        let (status, body) = self.call("POST", "/api/v1/orders", Some(&order)).await;
        assert_eq!(status, 201, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["data"]["order"].clone()
    }

    /// As Products would.
    async fn reserve(&self, order: &Value) {
        let id: OrderId = order["_id"].as_str().unwrap().parse().unwrap();
        let body = StockReserved { reservation_id: id.into(), movements: vec![], price_differences: vec![] };
        let at = SystemClock.now();
        let payload = Event::about_order(id, 1, at, Body::StockReserved(body)).encode().into();
        let key = id.to_string().into();
        let outgoing = Outgoing { topic: Topic::InventoryReserved, key, payload, at, traceparent: None };
        self.products.write(move |tx| tx.append(outgoing).map(drop)).await.unwrap();
    }

    async fn stop(self) {
        self.lifecycle.shutdown();
        let report = self.lifecycle.wait().await;
        assert!(report.is_clean(), "{report}");
        self.database.close().await;
        self.products.close().await;
    }
}

#[tokio::test]
async fn it_serves_takes_answers_and_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), false).await;
    let placed = running.place().await;
    let path = format!("/api/v1/orders/{}", placed["_id"].as_str().unwrap());
    running.reserve(&placed).await;
    // The live log tells when the answer was taken in.
    let mut committed = journal(&running.database).committed();
    while !running.call("GET", &path, None).await.1.contains("\"stockStatus\":\"reserved\"") {
        tokio::time::timeout(Duration::from_secs(30), committed.changed()).await.unwrap().unwrap();
    }
    for (path, shows) in [
        ("/health/live", "\"status\":\"ok\""),
        ("/health/ready", "\"store\":\"ok\""),
        ("/metrics", "orders_stock_decided_total{outcome=\"reserved\"}"),
        ("/openapi.json", "\"createOrder\""),
        ("/socket.io/?EIO=4&transport=polling", "\"sid\""),
    ] {
        let (status, body) = running.call("GET", path, None).await;
        assert!(status == 200 && body.contains(shows), "{path} {status} {body}");
    }
    assert_eq!(running.call("GET", "/ws", None).await.0 / 100, 4);
    running.stop().await;

    // Everything is there after a restart, and new keys come after the old.
    let running = start(folder.path(), false).await;
    assert!(running.call("GET", &path, None).await.1.contains("\"stockStatus\":\"reserved\""));
    let next = running.place().await;
    assert!(next["_id"].as_str() > placed["_id"].as_str());
    running.stop().await;
}

#[tokio::test]
async fn a_paused_consumer_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), true).await;
    let placed = running.place().await;
    running.reserve(&placed).await;
    assert!(!running.lifecycle.running().contains_key("answers consumer"));
    running.stop().await;
}

#[tokio::test]
async fn a_second_instance_on_the_same_database_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = Database::open_sqlite(folder.path(), Arc::new(SystemClock)).await.unwrap();
    let second = Database::open_sqlite(folder.path(), Arc::new(SystemClock)).await;
    assert!(matches!(second, Err(StoreError::InUse(_))));
    first.close().await;
}

#[test]
fn the_binary_says_what_to_set_or_run_instead() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_orders"))
            .args(args)
            .current_dir(folder.path())
            .env_remove("KAFKA_BROKERS")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(text.contains("KAFKA_BROKERS") && text.contains("holdfast"), "{text}");
    // The folder's own file is read: what it sets does not go together.
    let sasl = "KAFKA_BROKERS=localhost:9092\nKAFKA_SECURITY_PROTOCOL=sasl_ssl\n";
    std::fs::write(folder.path().join(".env.local"), sasl).unwrap();
    let (code, text) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(text.contains("settings of Kafka"), "{text}");
}
