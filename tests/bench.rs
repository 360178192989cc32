//! `holdfast bench` against a small system that is made up here, and against the bare server that it starts itself.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use holdfast::cli::{Cli, Command as Subcommand};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Orders are decided when they are looked at for the second time, or all when the counter is.
#[derive(Default)]
struct Fake {
    /// Every so many-th order is refused; 0: none.
    refuse_every: u64,
    /// Nothing is ever decided.
    undecided: bool,
    posted: AtomicU64,
    accepted: AtomicU64,
    products: Mutex<Vec<Value>>,
    seen: Mutex<HashMap<u64, u32>>,
    asked_for: Mutex<HashMap<String, u64>>,
}

type Answer = (StatusCode, Json<Value>);

async fn place(State(fake): State<Arc<Fake>>, Json(order): Json<Value>) -> Answer {
    let number = fake.posted.fetch_add(1, Ordering::Relaxed) + 1;
    if fake.refuse_every > 0 && number.is_multiple_of(fake.refuse_every) {
        return (StatusCode::CONFLICT, Json(json!({"success": false, "code": "MADE_UP"})));
    }
    let product = order["items"][0]["productId"].as_str().unwrap().to_owned();
    *fake.asked_for.lock().unwrap().entry(product).or_default() += 1;
    fake.accepted.fetch_add(1, Ordering::Relaxed);
    (
        StatusCode::CREATED,
        Json(json!({"data": {"order": {"_id": number.to_string(), "stockStatus": "pending"}}})),
    )
}

async fn look(State(fake): State<Arc<Fake>>, Path(number): Path<u64>) -> Answer {
    let times = {
        let mut seen = fake.seen.lock().unwrap();
        let times = seen.entry(number).or_default();
        *times += 1;
        *times
    };
    let stock = if times > 1 { "reserved" } else { "pending" };
    (StatusCode::OK, Json(json!({"data": {"order": {"_id": number.to_string(), "stockStatus": stock}}})))
}

async fn metrics(State(fake): State<Arc<Fake>>) -> String {
    let decided = if fake.undecided { 0 } else { fake.accepted.load(Ordering::Relaxed) };
    format!(
        "# TYPE orders_stock_decided_total counter\norders_stock_decided_total{{outcome=\"reserved\"}} {decided}\n"
    )
}

async fn list(State(fake): State<Arc<Fake>>) -> Json<Value> {
    Json(json!({"data": {"products": *fake.products.lock().unwrap()}}))
}

async fn create(State(fake): State<Arc<Fake>>, Json(mut product): Json<Value>) -> Answer {
    let mut products = fake.products.lock().unwrap();
    product["_id"] = json!(format!("{:024x}", products.len() + 1));
    products.push(product.clone());
    (StatusCode::CREATED, Json(json!({"data": {"product": product}})))
}

async fn serve(fake: Arc<Fake>, tasks: &mut JoinSet<()>) -> String {
    let router = Router::new()
        .route("/api/v1/orders", post(place))
        .route("/api/v1/orders/{id}", get(look))
        .route("/metrics", get(metrics))
        .route("/api/v1/products", get(list).post(create))
        .with_state(fake);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Runs the bench against `fake` and gives its exit code and its document.
async fn bench(fake: &Arc<Fake>, args: &[&str]) -> (u8, Value) {
    let mut tasks = JoinSet::new();
    let url = serve(Arc::clone(fake), &mut tasks).await;
    let fixed =
        ["holdfast", "bench", "--orders-url", &url, "--products-url", &url, "--warm-up", "0", "--json"];
    let cli = Cli::parse_from([&fixed[..], args].concat());
    let Some(Subcommand::Bench(args)) = cli.command else { panic!("not a bench") };
    let mut out = Vec::new();
    let code = Box::pin(holdfast::bench::run(*args, executable(), &mut out)).await.unwrap();
    (code, serde_json::from_slice(&out).unwrap())
}

fn executable() -> PathBuf {
    env!("CARGO_BIN_EXE_holdfast").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_is_sent_once_spread_evenly_and_seen_decided() {
    let fake = Arc::new(Fake::default());
    let (code, report) = bench(&fake, &["--orders", "2000", "--products", "10", "--connections", "8"]).await;
    assert_eq!(code, 0, "{report:#}");
    let run = &report["runs"][0];
    assert_eq!((&run["accepted"], &run["decided"]), (&json!(2000), &json!(2000)));
    assert_eq!(run["refused"], json!({}));
    assert_eq!(fake.posted.load(Ordering::Relaxed), 2000);
    assert_eq!(report["subjects"][0]["answer"]["count"], 2000);
    assert!(report["subjects"][0]["decided"]["count"].as_u64().unwrap() > 0, "{report:#}");
    let asked_for = fake.asked_for.lock().unwrap();
    assert_eq!(asked_for.len(), 10);
    assert!(asked_for.values().all(|count| *count == 200), "{asked_for:?}");
    let products = fake.products.lock().unwrap();
    assert_eq!(
        (products[0]["name"].as_str(), &products[0]["price"]),
        (Some("Bench product 00001"), &json!(29.99))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_of_an_earlier_run_are_used_again() {
    let fake = Arc::new(Fake::default());
    for products in ["3", "5", "5", "2"] {
        let (code, _) = bench(&fake, &["--orders", "20", "--products", products, "--connections", "2"]).await;
        assert_eq!(code, 0);
    }
    assert_eq!(fake.products.lock().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_sends_at_its_rate_and_counts_from_when_an_order_was_due() {
    let fake = Arc::new(Fake::default());
    let (code, report) = bench(&fake, &["--orders", "300", "--rate", "3000", "--connections", "4"]).await;
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["runs"][0]["accepted"], 300);
    assert_eq!(report["runs"][0]["unsent"], 0);
    // Order 300 is due after 299/3000 s: no run can be shorter.
    assert!(report["runs"][0]["seconds"].as_f64().unwrap() >= 0.099, "{report:#}");
    let subject = &report["subjects"][0];
    assert_eq!(subject["answerCorrected"]["count"], 300);
    assert!(subject["answerCorrected"]["maxMicros"].as_u64() >= subject["answer"]["p50Micros"].as_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_are_refused_are_counted_and_make_the_bench_fail() {
    let fake = Arc::new(Fake { refuse_every: 10, ..Fake::default() });
    let (code, report) = bench(&fake, &["--orders", "100", "--connections", "4"]).await;
    assert_eq!(code, 1);
    assert_eq!(report["runs"][0]["refused"], json!({"409": 10}));
    assert_eq!(report["runs"][0]["accepted"], 90);
    assert!(report["problems"].to_string().contains("MADE_UP"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_are_never_decided_end_the_wait_and_make_the_bench_fail() {
    let fake = Arc::new(Fake { undecided: true, ..Fake::default() });
    let (code, report) =
        bench(&fake, &["--orders", "50", "--connections", "4", "--decide-within", "1"]).await;
    assert_eq!(code, 1);
    assert!(report["problems"].to_string().contains("50 of 50 orders were not decided"), "{report:#}");
}

#[test]
fn the_program_measures_the_bare_server_that_it_starts() {
    let output = Command::new(executable())
        .args(["bench", "--only", "ceiling", "--rounds", "2", "--orders", "500", "--warm-up", "0", "--json"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    assert_eq!(report["runs"][1]["accepted"], 500);
    assert!(report["subjects"][0]["memory"]["residentBytes"].as_u64().unwrap() > 0);
}

#[test]
fn the_bare_server_ends_with_its_input() {
    let mut child = Command::new(executable())
        .arg("bench-ceiling")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_program_measures_the_whole_system_that_it_starts() {
    let output = Command::new(executable())
        .args(["bench", "--ceiling", "--hot-vs-spread", "--rounds", "1", "--orders", "200", "--warm-up", "0"])
        .args(["--products", "5", "--lines", "2", "--connections", "4", "--json"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{report:#}");
    let names: Vec<&str> =
        report["runs"].as_array().unwrap().iter().map(|r| r["subject"].as_str().unwrap()).collect();
    assert_eq!(names, ["ceiling", "accept", "full", "full-hot"]);
    for (run, decided) in [(0, Value::Null), (1, Value::Null), (2, json!(200)), (3, json!(200))] {
        assert_eq!(
            (&report["runs"][run]["accepted"], &report["runs"][run]["decided"]),
            (&json!(200), &decided)
        );
    }
    for ratio in ["acceptToCeiling", "fullToCeiling", "hotToSpread"] {
        assert!(report["ratios"][ratio]["median"].is_number(), "{report:#}");
    }
    assert!(report["machine"]["flushMicros"].is_number());
}
