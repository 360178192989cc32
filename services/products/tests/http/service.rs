//! The whole service: started over a bus, asked over a socket, stopped in order.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::{Bus, EmbeddedBus, PRODUCTS_GROUP, Valve};
use holdfast_contract::{Currency, Topic};
use holdfast_products::sample::{Seeded, TEST_PRODUCT_ID};
use holdfast_products::service::{self as products, Deps, StartError, Started, start};
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::http::{HttpOptions, HttpServer, ServerOptions};
use holdfast_service::telemetry::Metrics;
use holdfast_service::{Lifecycle, ManualClock, Process, SequentialKeys, Steps};
use holdfast_storage::sqlite::{Database, Migrations, Options};
use holdfast_storage::{Outgoing, StoreError};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{order, request};

const NO_TABLES: Migrations = Migrations { component: "orders-stand-in", steps: &[] };

struct Running {
    addr: std::net::SocketAddr,
    orders: Arc<Database>,
    store: Arc<SqliteProducts>,
    bus: Arc<dyn Bus>,
    lifecycle: Lifecycle,
    seeded: Option<Seeded>,
    folder: tempfile::TempDir,
}

async fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    launch(folder, Currency::USD).await.map_err(|(error, _)| error).unwrap()
}

async fn launch(
    folder: tempfile::TempDir,
    currency: Currency,
) -> Result<Running, (StartError, tempfile::TempDir)> {
    let options = Options::new(folder.path().join("orders.db"), NO_TABLES, Topic::FROM_ORDERS);
    let orders = Arc::new(Database::open(&options).unwrap());
    let store = Arc::new(SqliteProducts::open(folder.path().join("products.db")).unwrap());
    let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new(vec![orders.clone(), store.journal()]));
    let clock = Arc::new(ManualClock::default());
    let lifecycle = Lifecycle::new(Duration::from_secs(10));
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap(), ServerOptions::default()).await.unwrap();
    let started = start(Deps {
        database: Arc::new(products::Database::sqlite((*store).clone())),
        bus: bus.clone(),
        broker: None,
        consumed_by: Vec::new(),
        server,
        http: HttpOptions::default(),
        process: Process {
            steps: Steps::new(clock.clone()),
            clock,
            lifecycle: lifecycle.clone(),
            metrics: Metrics::install(),
            traces: holdfast_service::Traces::off(),
            auth: None,
        },
        keys: Arc::new(SequentialKeys::new()),
        currency,
        journal_retention: Duration::from_secs(3600),
        audit_every: None,
        sample_data: true,
        pause_consumers: false,
        valve: Valve::default(),
    })
    .await;
    match started {
        Ok(Started { addr, seeded, .. }) => {
            Ok(Running { addr, orders, store, bus, lifecycle, seeded, folder })
        }
        Err(error) => {
            lifecycle.shutdown();
            lifecycle.wait().await;
            store.close().await;
            orders.close().await;
            Err((error, folder))
        }
    }
}

impl Running {
    async fn get(&self, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
    }
}

#[tokio::test]
async fn it_seeds_consumes_serves_and_stops() {
    let running = running().await;
    assert_eq!(running.seeded, Some(Seeded { created: 48, skipped: 0 }));
    let mut answers =
        running.bus.tail(&[Topic::InventoryReserved], holdfast_bus::TailFrom::Now).await.unwrap();
    let asked = request(order(1), TEST_PRODUCT_ID, 2);
    running
        .orders
        .write(move |tx| {
            let (topic, at) = (asked.topic, asked.at);
            tx.append(Outgoing { topic, key: asked.key, payload: asked.payload, at, traceparent: None })?;
            Ok::<(), StoreError>(())
        })
        .await
        .unwrap();
    let answer = answers.next(1).await.unwrap();
    assert_eq!(answer[0].key, order(1).to_string());

    let (status, product) = running.get(&format!("/api/v1/products/{TEST_PRODUCT_ID}")).await;
    assert_eq!((status, &product["data"]["product"]["stock"]), (200, &Value::from(48)));
    let (status, ready) = running.get("/health/ready").await;
    assert_eq!((status, &ready["data"]["checks"]["store"]), (200, &Value::from("ok")));
    assert_eq!(running.get("/health/live").await.0, 200);
    assert_eq!(running.get("/openapi.json").await.1["info"]["title"], "Holdfast Products");
    assert!(running.get("/metrics").await.1.as_str().unwrap().contains("http_requests_total"));

    running.lifecycle.shutdown();
    let report = running.lifecycle.wait().await;
    assert!(report.is_clean(), "{report}");
    let positions = running.store.inbox().positions(PRODUCTS_GROUP).await.unwrap();
    assert_eq!(positions.iter().map(|(_, p)| p.next).sum::<u64>(), 1, "the position moved with the effect");
    running.store.close().await;
    running.orders.close().await;
    assert!(TcpStream::connect(running.addr).await.is_err());
}

#[tokio::test]
async fn prices_in_another_currency_than_the_shops_stop_the_start() {
    let first = running().await;
    first.lifecycle.shutdown();
    first.lifecycle.wait().await;
    first.store.close().await;
    first.orders.close().await;
    let Err((refused, folder)) = launch(first.folder, Currency::iso("JPY").unwrap()).await.map(drop) else {
        panic!("it starts with dollars as yen");
    };
    assert!(refused.to_string().contains("set CURRENCY=USD back"), "{refused}");
    let again = launch(folder, Currency::USD).await.map_err(|(error, _)| error).unwrap();
    again.lifecycle.shutdown();
    again.lifecycle.wait().await;
}

#[test]
fn alone_it_says_what_to_set_or_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = |file: Option<&str>| {
        if let Some(text) = file {
            std::fs::write(folder.path().join(".env.local"), text).unwrap();
        }
        let output = Command::new(env!("CARGO_BIN_EXE_products"))
            .current_dir(folder.path())
            .env_remove("KAFKA_BROKERS")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let without = run(None);
    assert!(without.contains("KAFKA_BROKERS=") && without.contains("`holdfast`"), "{without}");
    let sasl = "KAFKA_BROKERS=localhost:9092\nKAFKA_SECURITY_PROTOCOL=sasl_ssl\n";
    let with = run(Some(sasl));
    assert!(with.contains("settings of Kafka"), "{with}");
    let malformed = run(Some("just words\n"));
    assert!(malformed.contains(".env.local"), "{malformed}");
}
