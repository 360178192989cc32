//! Starting and stopping the real binary: what a signal does to those who are connected, and what keeps it from starting.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread::JoinHandle;

use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{
    Client, Holdfast, PATIENCE, all_orders, audit, command, decided, eventually, order, place, product, run,
    until,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A plain WebSocket client: tells when it is connected, and ends with what it was told and how it was closed.
struct Live {
    told: JoinHandle<(Vec<String>, Option<Closed>)>,
}

type Closed = (CloseCode, String);

impl Live {
    fn connect(addr: SocketAddr) -> Self {
        let (connected, is_connected) = std::sync::mpsc::channel();
        let told = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut socket, _) =
                    tokio_tungstenite::connect_async(format!("ws://{addr}/ws")).await.unwrap();
                let mut events = Vec::new();
                loop {
                    match tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
                        Some(Ok(Message::Text(text))) => {
                            let message: Value = serde_json::from_str(&text).unwrap();
                            let event = message["event"].as_str().unwrap().to_owned();
                            if event == "ready" {
                                connected.send(()).unwrap();
                            }
                            events.push(event);
                        }
                        Some(Ok(Message::Close(frame))) => {
                            return (events, frame.map(|f| (f.code, f.reason.to_string())));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => panic!("cut off: {error}"),
                        None => return (events, None),
                    }
                }
            })
        });
        is_connected.recv_timeout(PATIENCE).unwrap();
        Self { told }
    }
}

/// A request whose handler has begun and waits for the rest of the body.
struct Unfinished {
    stream: TcpStream,
    body: String,
}

impl Unfinished {
    fn begin(addr: SocketAddr, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!(
            "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the body; gives the status.
    fn finish(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(self.stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

/// Waits until nobody listens there any more.
fn refused(addr: SocketAddr) {
    eventually("closed", || match TcpStream::connect(addr) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        _ => Err("still listening".to_owned()),
    });
}

/// Places orders until the connection ends, and notes which were accepted.
fn keep_ordering(addr: SocketAddr, product: &str, accepted: &Mutex<BTreeSet<String>>) {
    let Ok(mut client) = Client::connect(addr) else { return };
    while let Ok((status, answer)) = client.send("POST", "/api/v1/orders", "", Some(&order(&[(product, 1)])))
    {
        assert_eq!(status, 201, "{answer}");
        accepted.lock().unwrap().insert(answer["data"]["order"]["_id"].as_str().unwrap().to_owned());
    }
}

/// Invariant 3 across a shutdown under load; whoever is connected is told, or is answered first.
#[test]
fn sigterm_finishes_what_runs_and_takes_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    // What is finished in time is not the question here, so time is plenty.
    let mut system = Holdfast::start_as(command(folder.path()).env("SHUTDOWN_SECONDS", "60"));
    let (orders, products) = (system.orders, system.products);
    let id = product(&mut Client::connect(products).unwrap(), "Test Product", 1_000_000);
    let mut idle = Client::connect(orders).unwrap();
    idle.get("/health/live");
    let live = Live::connect(orders);
    let unfinished = Unfinished::begin(orders, &order(&[(&id, 1)]));

    let accepted = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| keep_ordering(orders, &id, &accepted));
        }
        while accepted.lock().unwrap().len() < 200 {
            std::thread::yield_now();
        }
        system.terminate();
    });
    refused(orders);
    refused(products);
    assert!(idle.send("GET", "/health/live", "", None).is_err(), "an idle connection is closed");
    let (events, closed) = live.told.join().unwrap();
    assert_eq!(closed, Some((CloseCode::Away, "server shutting down".to_owned())));
    assert_eq!(events.last().map(String::as_str), Some("server:shutdown"));
    assert!(events.iter().any(|e| e == "order:created"), "{events:?}");
    assert!(system.is_running(), "a request that runs is waited for");
    assert_eq!(unfinished.finish(), "201");
    let ended = system.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
    assert!(ended.said.contains("Stopped: everything finished"), "{}", ended.said);

    let system = Holdfast::start(folder.path());
    let mut client = Client::connect(system.orders).unwrap();
    let there: BTreeSet<String> =
        all_orders(&mut client).iter().map(|o| o["_id"].as_str().unwrap().to_owned()).collect();
    let accepted = accepted.into_inner().unwrap();
    assert!(accepted.is_subset(&there), "accepted and lost: {:?}", accepted.difference(&there));
    for id in &there {
        assert_eq!(decided(&mut client, id)["stockStatus"], "reserved");
    }
    system.stop();
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}

#[test]
fn a_shutdown_waits_only_so_long_for_who_does_not_finish() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start_as(command(folder.path()).env("SHUTDOWN_SECONDS", "1"));
    let stuck = Unfinished::begin(system.orders, &order(&[(&"07".repeat(12), 1)]));
    system.terminate();
    let ended = system.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
    assert!(ended.said.contains("cut off: 1× http connection"), "{}", ended.said);
    drop(stuck);
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}

#[test]
fn a_second_instance_on_the_same_data_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = Holdfast::start(folder.path());
    for arguments in [&[][..], &["seed"]] {
        let second = run(command(folder.path()).args(arguments));
        assert!(!second.status.success());
        assert!(second.said.contains("is in use by another process"), "{}", second.said);
        assert!(second.said.contains(folder.path().to_str().unwrap()), "{}", second.said);
        assert_eq!(second.said.trim_end().lines().count(), 1, "{}", second.said);
    }
    // The first one did not notice.
    let id = product(&mut Client::connect(first.products).unwrap(), "Test Product", 1);
    let mut client = Client::connect(first.orders).unwrap();
    let placed = place(&mut client, &[(&id, 1)]);
    assert_eq!(decided(&mut client, &placed)["stockStatus"], "reserved");
    first.stop();
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for variable in ["ORDERS_ADDR", "PRODUCTS_ADDR"] {
        let ended = run(command(folder.path()).env(variable, &addr));
        assert!(!ended.status.success());
        let about: Vec<&str> = ended.said.lines().filter(|l| l.contains("cannot listen")).collect();
        let [line] = about[..] else { panic!("{}", ended.said) };
        assert!(line.starts_with(&format!("holdfast: cannot listen on {addr}")), "{line}");
        assert!(line.contains(variable) && ended.said.ends_with(&format!("{line}\n")), "{}", ended.said);
    }
    // Nothing is left behind that keeps it from starting on another port.
    Holdfast::start(folder.path()).stop();
}

#[test]
fn a_single_service_without_a_broker_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for service in ["orders", "products"] {
        let ended = run(command(folder.path()).arg(service));
        assert!(!ended.status.success());
        for what in ["KAFKA_BROKERS=localhost:9092", "holdfast"] {
            assert!(ended.said.contains(what), "{service}: {}", ended.said);
        }
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is made");
    }
}

/// Invariant 3 across an ordinary restart.
#[test]
fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let mut client = Client::connect(system.products).unwrap();
    let (one, two) = (product(&mut client, "Test Product", 50), product(&mut client, "Other", 3));
    let mut client = Client::connect(system.orders).unwrap();
    let held = place(&mut client, &[(&one, 2), (&two, 3)]);
    decided(&mut client, &held);
    let short = place(&mut client, &[(&one, 1), (&two, 1)]);
    assert_eq!(decided(&mut client, &short)["stockStatus"], "rejected");
    let shipped = place(&mut client, &[(&one, 4)]);
    decided(&mut client, &shipped);
    for status in [2, 3] {
        let path = format!("/api/v1/orders/{shipped}/status");
        let (code, answer) = client.send("PATCH", &path, "", Some(&json!({"status": status}))).unwrap();
        assert_eq!(code, 200, "{answer}");
    }
    until(&mut client, &shipped, |o| o["stockStatus"] == "fulfilled");
    let key = "idempotency-key: once\r\n";
    let body = order(&[(&one, 1)]);
    let (_, first) = client.send("POST", "/api/v1/orders", key, Some(&body)).unwrap();
    let once = first["data"]["order"]["_id"].as_str().unwrap().to_owned();
    decided(&mut client, &once);

    let paths = [&held, &short, &shipped, &once]
        .into_iter()
        .flat_map(|id| [format!("/api/v1/orders/{id}"), format!("/api/v1/orders/{id}/timeline")]);
    let of_orders: Vec<String> = paths.chain(["/api/v1/orders?search=Test".to_owned()]).collect();
    let of_products: Vec<String> = ["", "/holds", "/movements"]
        .into_iter()
        .flat_map(|what| [format!("/api/v1/products/{one}{what}"), format!("/api/v1/products/{two}{what}")])
        .collect();
    let ask = |system: &Holdfast| -> Vec<Value> {
        let mut orders = Client::connect(system.orders).unwrap();
        let mut products = Client::connect(system.products).unwrap();
        let orders = of_orders.iter().map(|path| orders.get(path)["data"].take());
        orders.chain(of_products.iter().map(|path| products.get(path)["data"].take())).collect()
    };
    // Text search may lag, by about a second.
    searchable(&mut client, "Test", 4);
    let before = ask(&system);
    system.stop();
    let system = Holdfast::start(folder.path());
    let after = ask(&system);
    for (path, (before, after)) in of_orders.iter().chain(&of_products).zip(before.iter().zip(&after)) {
        assert_eq!(before, after, "{path}");
    }
    let mut client = Client::connect(system.orders).unwrap();
    let (status, again) = client.send("POST", "/api/v1/orders", key, Some(&body)).unwrap();
    assert_eq!((status, &again), (201, &first), "the same key gets the same answer");
    system.stop();
}

fn searchable(client: &mut Client, word: &str, orders: usize) {
    eventually("found", || {
        let found = client.get(&format!("/api/v1/orders?search={word}"));
        let count = found["data"]["orders"].as_array().unwrap().len();
        if count == orders { Ok(()) } else { Err(found.to_string()) }
    });
}
