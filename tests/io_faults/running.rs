//! The services with all their tasks, on sockets, while the disk under them fails for as long as the test wants.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use holdfast_bus::{EmbeddedBus, ORDERS_GROUP, PRODUCTS_GROUP, Valve};
use holdfast_contract::{Currency, Topic};
use holdfast_faultfs::{Disk, Fault, Plan};
use holdfast_orders::service::{self as orders, Orders, Settings};
use holdfast_orders::sqlite::{SqliteOptions, SqliteOrders};
use holdfast_products::service as products;
use holdfast_products::sqlite::SqliteProducts;
use holdfast_service::config::CommonArgs;
use holdfast_service::http::{HttpOptions, HttpServer, ServerOptions};
use holdfast_service::telemetry::Metrics;
use holdfast_service::{Clock, Lifecycle, Process, Steps, SystemClock, TimeOrderedKeys};
use holdfast_storage::Inbox;
use parking_lot::Mutex;
use serde_json::json;

use crate::support::{Client, all_orders, eventually, order, product, until};
use crate::world::{ORDERS_DB, PRODUCTS_DB};
use crate::{blocking, check};

const CLIENTS: usize = 3;
/// Answers of each kind that are waited for before and in each outage.
const ENOUGH: usize = 15;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

struct Running {
    orders: SocketAddr,
    products: SocketAddr,
    lifecycle: Lifecycle,
    databases: (Arc<orders::Database>, Arc<products::Database>),
}

async fn start(folder: &Path, disk: &Disk) -> Running {
    let vfs = Some(disk.vfs().to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = SqliteOptions { vfs: vfs.clone(), ..SqliteOptions::new(folder.join(ORDERS_DB)) };
    let order_store = SqliteOrders::open(&options).await.unwrap();
    let orders_db = Arc::new(orders::Database::sqlite(order_store, clock.clone()).await.unwrap());
    let product_store = SqliteProducts::with_options(folder.join(PRODUCTS_DB), |o| o.vfs = vfs).unwrap();
    let products_db = Arc::new(products::Database::sqlite(product_store));
    let journals = [orders_db.journal.clone(), products_db.journal.clone()];
    let bus = Arc::new(EmbeddedBus::new(journals.into_iter().flatten().collect()));
    let lifecycle = Lifecycle::new(Duration::from_secs(30));
    let process = Process {
        steps: Steps::new(clock.clone()),
        clock: clock.clone(),
        lifecycle: lifecycle.clone(),
        metrics: Metrics::install(),
        traces: holdfast_service::Traces::off(),
        auth: None,
    };
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let products = products::start(products::Deps {
        database: products_db.clone(),
        bus: bus.clone(),
        broker: None,
        consumed_by: vec![(ORDERS_GROUP, Topic::TO_ORDERS, orders_db.inbox.clone())],
        server: HttpServer::bind(any, ServerOptions::default()).await.unwrap(),
        http: HttpOptions::default(),
        process: process.clone(),
        keys: Arc::new(TimeOrderedKeys::with_random_instance(clock)),
        currency: Currency::USD,
        journal_retention: Duration::from_secs(3_600),
        audit_every: None,
        sample_data: false,
        pause_consumers: false,
        valve: Valve::default(),
    })
    .await
    .unwrap();
    let common = Arguments::parse_from(["holdfast"]).common;
    let requests: Arc<dyn Inbox> = products_db.store.clone();
    let orders = Orders::start(orders::Deps {
        database: orders_db.clone(),
        bus,
        broker: None,
        consumed_by: vec![(PRODUCTS_GROUP, Topic::TO_PRODUCTS, requests)],
        process,
        settings: Settings::from_args(any, &common).unwrap(),
    })
    .await
    .unwrap();
    let databases = (orders_db, products_db);
    Running { orders: orders.addr(), products: products.addr, lifecycle, databases }
}

/// What the clients have seen so far.
#[derive(Default)]
struct Seen {
    accepted: Mutex<BTreeSet<String>>,
    refused: AtomicUsize,
    enough: AtomicBool,
}

impl Seen {
    fn accepted(&self) -> usize {
        self.accepted.lock().len()
    }
}

/// Places orders until it is enough, each until it is taken.
fn client(name: usize, addr: SocketAddr, product: &str, seen: &Seen) {
    let mut client = Client::connect(addr).unwrap();
    let mut body = order(&[(product, 1)]);
    for number in 0.. {
        if seen.enough.load(Ordering::SeqCst) {
            return;
        }
        let key = format!("{name}-{number}");
        body["userId"] = json!(key);
        loop {
            let headers = format!("idempotency-key: {key}\r\n");
            let (status, answer) = client.send("POST", "/api/v1/orders", &headers, Some(&body)).unwrap();
            if status == 201 {
                let id = answer["data"]["order"]["_id"].as_str().unwrap().to_owned();
                assert!(seen.accepted.lock().insert(id), "another answer to {key}");
                break;
            }
            assert_eq!(status, 503, "{answer}");
            assert!(answer["retryAfter"].is_number() && answer["code"].is_string(), "{answer}");
            seen.refused.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn grows(what: &str, count: impl Fn() -> usize) {
    let before = count();
    eventually(what, || {
        let now = count();
        if now >= before + ENOUGH { Ok(()) } else { Err(format!("{now} after {before}")) }
    });
}

/// Waits until readiness says this.
fn readiness(addr: SocketAddr, status: u16, why: &str) {
    let mut client = Client::connect(addr).unwrap();
    eventually("what readiness should say", || {
        let (said, answer) = client.send("GET", "/health/ready", "", None).unwrap();
        if said == status && answer.to_string().contains(why) { Ok(()) } else { Err(answer.to_string()) }
    });
}

pub(crate) fn through_outages(faults: &[Fault]) {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let running = runtime.block_on(start(folder.path(), &disk));
    let plenty = product(&mut Client::connect(running.products).unwrap(), "Test Product", 1_000_000);
    let seen = Seen::default();
    std::thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (addr, product, seen) = (running.orders, &plenty, &seen);
            scope.spawn(move || client(name, addr, product, seen));
        }
        for &fault in faults {
            grows("accepted on a disk that works", || seen.accepted());
            disk.plan(Plan { at: disk.points() + 1, points: u64::MAX, fault });
            grows("refused", || seen.refused.load(Ordering::SeqCst));
            readiness(running.orders, 503, "writes");
            disk.mend();
            grows("accepted again", || seen.accepted());
            readiness(running.orders, 200, "");
            readiness(running.products, 200, "");
        }
        seen.enough.store(true, Ordering::SeqCst);
    });
    let mut client = Client::connect(running.orders).unwrap();
    let accepted = seen.accepted.into_inner();
    for id in &accepted {
        until(&mut client, id, |order| order["stockStatus"] == "reserved");
    }
    let there: BTreeSet<String> =
        all_orders(&mut client).iter().map(|order| order["_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(there, accepted, "what was taken is there once, and nothing else");
    drop(client);
    runtime.block_on(async {
        running.lifecycle.shutdown();
        running.lifecycle.wait().await;
        running.databases.0.close().await;
        running.databases.1.close().await;
    });
    let (clean, said) = blocking(check::audited(folder.path())).unwrap();
    assert!(clean, "{said}");
}
