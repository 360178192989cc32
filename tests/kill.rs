//! `kill -9` of the real binary, at random moments, under load.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use support::{Client, Dice, Holdfast, PATIENCE, all_orders, audit, order, product};

const KILLS: u64 = 50;
const CLIENTS: u64 = 8;

/// What clients were told with a 2xx, over all lives of the process.
#[derive(Default)]
struct Told {
    accepted: Mutex<BTreeSet<String>>,
    cancelled: Mutex<BTreeSet<String>>,
    /// Orders that were sent and never answered, by their `Idempotency-Key`: sent again in a later life.
    unsure: Mutex<Vec<(String, Value)>>,
    answers: AtomicU64,
}

/// One life: clients place and cancel orders until the process is killed after a random number of answers.
fn life(data: &std::path::Path, products: &[String], told: &Told, dice: &mut Dice) {
    let system = Holdfast::start(data);
    let addr = system.orders;
    let answers_before = told.answers.load(Ordering::SeqCst);
    // Now and then so early that it dies while it is still catching up with the last life.
    let answers = if dice.roll(5) == 0 { 0 } else { dice.roll(400) };
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| dice.roll(u64::MAX)).collect();
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            seeds.into_iter().map(|seed| scope.spawn(move || client(addr, products, told, seed))).collect();
        let enough = answers_before + answers;
        while told.answers.load(Ordering::SeqCst) < enough {
            // A client ends when the connection does, and nobody has cut it yet.
            assert!(clients.iter().any(|c| !c.is_finished()), "every client has failed");
            std::thread::yield_now();
        }
        system.kill();
    });
}

/// An order of a user of its own, named as its key is.
fn new_order(products: &[String], dice: &mut Dice) -> (String, Value) {
    let mut any = || products[usize::try_from(dice.roll(products.len() as u64)).unwrap()].as_str();
    let mut body = order(&[(any(), 1), (any(), 2)]);
    let key = format!("{:016x}", dice.roll(u64::MAX));
    body["userId"] = json!(key);
    (key, body)
}

/// Places it; gives its id, or `None` if the connection broke before the answer.
fn place_once(client: &mut Client, key: String, body: Value, told: &Told) -> Option<String> {
    let header = format!("idempotency-key: {key}\r\n");
    let Ok((status, answer)) = client.send("POST", "/api/v1/orders", &header, Some(&body)) else {
        told.unsure.lock().unwrap().push((key, body));
        return None;
    };
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["data"]["order"]["userId"], *key);
    let id = answer["data"]["order"]["_id"].as_str().unwrap().to_owned();
    told.accepted.lock().unwrap().insert(id.clone());
    Some(id)
}

/// Places orders, and cancels some, until the connection breaks.
fn client(addr: std::net::SocketAddr, products: &[String], told: &Told, seed: u64) {
    let mut dice = Dice::seeded(seed);
    let Ok(mut client) = Client::connect(addr) else { return };
    loop {
        let unsure = told.unsure.lock().unwrap().pop();
        let (key, body) = unsure.unwrap_or_else(|| new_order(products, &mut dice));
        let Some(id) = place_once(&mut client, key, body, told) else { return };
        told.answers.fetch_add(1, Ordering::SeqCst);
        if dice.roll(4) == 0 {
            let path = format!("/api/v1/orders/{id}/status");
            let Ok((status, answer)) = client.send("PATCH", &path, "", Some(&json!({"status": 5}))) else {
                return;
            };
            // A rejected order is cancelled already: asking again is a no-op, and 200 too.
            assert_eq!(status, 200, "{answer}");
            told.cancelled.lock().unwrap().insert(id);
            told.answers.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Invariants 1, 3, 4, 5, 6, 7 and 9 on the real binary: whatever a client was told is there after any number of crashes,
/// what was sent again with its key is there once, every order is decided, and stock is what the movements say.
#[allow(clippy::disallowed_methods, reason = "bounds a hang")]
#[test]
fn invariant_3_nothing_accepted_is_lost_in_fifty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut dice = Dice::new();
    let system = Holdfast::start(data);
    let mut client = Client::connect(system.products).unwrap();
    // Scarce, so that some orders are rejected, and plenty.
    let products: Vec<String> =
        [40, 400, 100_000, 1_000_000].map(|n| product(&mut client, "Test Product", n)).into();
    system.stop();

    let told = Told::default();
    for _ in 0..KILLS {
        life(data, &products, &told, &mut dice);
    }

    let system = Holdfast::start(data);
    let mut client = Client::connect(system.orders).unwrap();
    let unsure = std::mem::take(&mut *told.unsure.lock().unwrap());
    for (key, body) in unsure {
        place_once(&mut client, key, body, &told).unwrap();
    }
    let started = Instant::now();
    let orders = loop {
        let orders = all_orders(&mut client);
        let settled = orders.iter().all(|o| match (o["status"].as_u64(), o["stockStatus"].as_str()) {
            (Some(1), Some("reserved")) | (Some(5), Some("rejected" | "released")) => true,
            (Some(1), Some("pending")) | (Some(5), Some("pending" | "reserved")) => false,
            other => panic!("not a state that these clients can reach: {other:?}"),
        });
        if settled {
            break orders;
        }
        assert!(started.elapsed() < PATIENCE, "orders stay undecided");
        std::thread::yield_now();
    };
    let there: BTreeSet<&str> = orders.iter().map(|o| o["_id"].as_str().unwrap()).collect();
    let told_accepted = told.accepted.into_inner().unwrap();
    let missing: Vec<_> = told_accepted.iter().filter(|id| !there.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "accepted and lost: {missing:?}");
    let users: BTreeSet<&str> = orders.iter().map(|o| o["userId"].as_str().unwrap()).collect();
    assert_eq!(users.len(), orders.len(), "sent again with its key, and there twice");
    assert_eq!(there.len(), told_accepted.len(), "every request has been answered by now");
    for id in told.cancelled.into_inner().unwrap() {
        let order = orders.iter().find(|o| o["_id"] == *id).unwrap();
        assert_eq!(order["status"], 5, "cancelled and forgotten: {id}");
    }
    println!("{} orders accepted over {KILLS} kills, {} there", told_accepted.len(), there.len());

    let mut held: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for order in orders.iter().filter(|o| o["stockStatus"] == "reserved") {
        for item in order["items"].as_array().unwrap() {
            *held.entry(item["productId"].as_str().unwrap()).or_default() +=
                item["quantity"].as_i64().unwrap();
        }
    }
    let mut client = Client::connect(system.products).unwrap();
    for id in &products {
        let product = &client.get(&format!("/api/v1/products/{id}"))["data"]["product"];
        assert!(product["stock"].as_i64().unwrap() >= 0, "{product}");
        assert_eq!(
            product["reserved"].as_i64(),
            Some(held.get(id.as_str()).copied().unwrap_or(0)),
            "{product}"
        );
    }
    system.stop();
    let (exit, said) = audit(data);
    assert!(exit.success(), "{said}");
}
