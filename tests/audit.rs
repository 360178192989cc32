//! `holdfast audit` with the real binary: it is quiet about a system that is right, also while that runs, and names what
//! is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_storage::sqlite::connect;
use serde_json::{Value, json};
use support::{Client, Dice, Holdfast, audit, command, decided, order, place, product};

/// Changes a database behind the system's back; gives how many rows.
fn damage(data: &Path, file: &str, sql: &str) -> usize {
    connect(&data.join(file)).unwrap().execute(sql, []).unwrap()
}

/// A stopped system with a product, an order that holds two, and one that was rejected.
fn a_small_shop(data: &Path) -> (String, String, String) {
    let system = Holdfast::start(data);
    let id = product(&mut Client::connect(system.products).unwrap(), "Test Product", 50);
    let mut client = Client::connect(system.orders).unwrap();
    let held = place(&mut client, &[(&id, 2)]);
    decided(&mut client, &held);
    let rejected = place(&mut client, &[(&id, 49)]);
    assert_eq!(decided(&mut client, &rejected)["stockStatus"], "rejected");
    system.stop();
    (id, held, rejected)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Invariant 7, and that the two databases agree.
#[test]
fn planted_damage_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (product, held, rejected) = a_small_shop(folder.path());
    let (exit, said) = audit(folder.path());
    assert!(exit.success() && said.contains("Clean"), "{said}");

    let product = format!("product {product}");
    let held = held.as_str();
    for (file, sql, named) in [
        (
            "products.db",
            "UPDATE stock SET reserved = reserved + 1, available = available - 1",
            product.as_str(),
        ),
        ("products.db", "UPDATE stock SET on_hand = on_hand + 1, available = available + 1", &product),
        ("products.db", "UPDATE stock SET last_movement = 1", &product),
        ("products.db", "UPDATE movements SET on_hand_delta = 49 WHERE id = 1", "mov-1"),
        ("products.db", "UPDATE movements SET reserved = 3 WHERE id = 2", "mov-2"),
        ("products.db", "UPDATE movements SET previous = NULL WHERE id = 2", "mov-2"),
        ("products.db", "DELETE FROM movements WHERE id = 2", &product),
        ("products.db", "UPDATE holds SET quantity = 1", &product),
        ("products.db", "DELETE FROM holds", &product),
        ("products.db", "DELETE FROM stock", &product),
        // 1: rejected, 2: held.
        ("products.db", "DELETE FROM reservations WHERE state = 2", held),
        ("products.db", "DELETE FROM reservations WHERE state = 1", &rejected),
        ("orders.db", "DELETE FROM orders", "there is no such order"),
        ("orders.db", "UPDATE orders SET body = x'00'", "cannot be read: order "),
        ("products.db", "UPDATE movements SET kind = 99 WHERE id = 2", "cannot be read: mov-2"),
    ] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        assert!(damage(damaged.path(), file, sql) > 0, "{sql}");
        let (exit, said) = audit(damaged.path());
        assert_eq!(exit.code(), Some(1), "{sql}: {said}");
        assert!(said.contains("WRONG") && said.contains(named), "{sql}: {said}");

        let output = command(damaged.path()).args(["audit", "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{sql}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report.to_string().contains(named), "{sql}: {report}");
    }
}

#[test]
fn no_data_is_not_clean_data() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, said) = audit(folder.path());
    assert!(!exit.success() && said.contains("is not there"), "{said}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "looking makes nothing");
}

/// Orders come and go while it looks; what it sees is a moment of each database, and no half of anything.
#[test]
fn a_running_system_is_audited_without_stopping_it() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let (orders, products) = (system.orders, system.products);
    let ids =
        [300, 1_000_000].map(|stock| product(&mut Client::connect(products).unwrap(), "Test Product", stock));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (ids, done) = (&ids, &done);
            scope.spawn(move || {
                let (mut dice, mut client) = (Dice::seeded(seed), Client::connect(orders).unwrap());
                while !done.load(Ordering::SeqCst) {
                    let body = order(&[(&ids[0], 1), (&ids[1], 2)]);
                    let (status, answer) = client.send("POST", "/api/v1/orders", "", Some(&body)).unwrap();
                    assert_eq!(status, 201, "{answer}");
                    if dice.roll(2) == 0 {
                        let id = answer["data"]["order"]["_id"].as_str().unwrap();
                        let path = format!("/api/v1/orders/{id}/status");
                        let (status, answer) =
                            client.send("PATCH", &path, "", Some(&json!({"status": 5}))).unwrap();
                        assert_eq!(status, 200, "{answer}");
                    }
                }
            });
        }
        let audits: Vec<_> = (0..5).map(|_| audit(folder.path())).collect();
        done.store(true, Ordering::SeqCst);
        for (exit, said) in audits {
            assert!(exit.success() && said.contains("The system is running"), "{said}");
        }
    });
    system.stop();
    let left = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
    assert!(left.is_empty(), "snapshots are removed: {left:?}");
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}
