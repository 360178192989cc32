//! `holdfast audit` with the real binary, and the audit of a running system: quiet about what is right, also while that runs,
//! and naming what is not. Explaining a stock, and rebuilding it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_storage::sqlite::connect;
use serde_json::{Value, json};
use support::{Client, Dice, Holdfast, audit, audited, command, decided, eventually, order, place, product};

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
    let system = Holdfast::start_as(command(folder.path()).env("AUDIT_EVERY_SECONDS", "1"));
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
    // It has audited itself meanwhile, and does so now that it rests.
    for addr in [orders, products] {
        let rounds = audited(&mut Client::connect(addr).unwrap(), 0);
        audited(&mut Client::connect(addr).unwrap(), rounds + 2);
    }
    system.stop();
    let left = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
    assert!(left.is_empty(), "snapshots are removed: {left:?}");
    let (exit, said) = audit(folder.path());
    assert!(exit.success(), "{said}");
}

/// What a running system says of itself, once that fits.
fn until_it_says(addr: std::net::SocketAddr, fits: impl Fn(&Value) -> bool) -> Value {
    let mut client = Client::connect(addr).unwrap();
    eventually("said", || {
        let said = client.get("/health/audit")["data"].clone();
        if fits(&said) { Ok(said) } else { Err(said.to_string()) }
    })
}

fn finding<'a>(said: &'a Value, kind: &str) -> Option<&'a Value> {
    said["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == kind)
}

/// Damage of every kind, planted in a stopped system: the running one finds it by itself, and says so in its log, its
/// metrics and its answer.
#[test]
fn a_running_system_finds_what_was_planted() {
    let folder = tempfile::tempdir().unwrap();
    let (_, held, _) = a_small_shop(folder.path());
    let products = "products";
    // 1: received, 2: held.
    for (service, kind, file, sql) in [
        (
            products,
            "balances",
            "products.db",
            "UPDATE stock SET on_hand = on_hand + 1, available = available + 1",
        ),
        (products, "ledger", "products.db", "DELETE FROM movements WHERE id = 1"),
        (products, "decision_without_hold", "products.db", "DELETE FROM holds"),
        ("orders", "hold_without_order", "orders.db", "DELETE FROM orders"),
        // The books of Products are right, and know nothing of what the order was told.
        (
            "orders",
            "forgotten",
            "products.db",
            "DELETE FROM movements WHERE id = 2; DELETE FROM holds; DELETE FROM reservations WHERE state = 2;
             UPDATE stock SET reserved = 0, available = on_hand, last_movement = 1",
        ),
        // The books of Products are right, and the order is held twice.
        (
            products,
            "hold_without_decision",
            "products.db",
            "INSERT INTO movements SELECT 3, 2, product, product_name, reservation, http_order, line, kind, 0, 2, 3, 50, 4,
                    cause, at FROM movements WHERE id = 2;
             INSERT INTO holds SELECT product, 3, reservation, http_order, line, quantity, consumed, at FROM holds;
             UPDATE stock SET reserved = 4, available = 46, last_movement = 3",
        ),
    ] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        connect(&damaged.path().join(file)).unwrap().execute_batch(sql).unwrap();
        let system = Holdfast::start_as(command(damaged.path()).env("AUDIT_EVERY_SECONDS", "1"));
        let addr = if service == "orders" { system.orders } else { system.products };
        let said = until_it_says(addr, |said| finding(said, kind).is_some());
        assert_eq!(said["status"], "mismatch", "{said}");
        let found = finding(&said, kind).unwrap();
        if service == "orders" {
            assert_eq!(found["order"], *held, "{said}");
        }
        system.hear("The audit found");
        let metrics = Client::connect(addr).unwrap().exchange("GET", "/metrics", "", None).unwrap();
        let line = format!("audit_state{{service=\"{service}\",state=\"mismatch\"}} 1");
        assert!(metrics.body.as_str().unwrap().contains(&line), "{}", metrics.body);
        system.stop();
    }
}

#[test]
fn the_audit_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start_as(command(folder.path()).env("AUDIT_EVERY_SECONDS", "0"));
    for addr in [system.orders, system.products] {
        let said = until_it_says(addr, |said| said["status"] == "off");
        assert_eq!(said["parts"], json!([]));
    }
    system.stop();
}

fn holdfast(data: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = command(data).arg("audit").args(args).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// Why is this 48? Because 50 were received, and an order holds two.
#[test]
fn a_stock_is_explained_by_what_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let id = product(&mut Client::connect(system.products).unwrap(), "Test Product", 50);
    product(&mut Client::connect(system.products).unwrap(), "Twin", 1);
    product(&mut Client::connect(system.products).unwrap(), "Twin", 1);
    let mut client = Client::connect(system.orders).unwrap();
    let held = place(&mut client, &[(&id, 2)]);
    let number = decided(&mut client, &held)["orderNumber"].as_str().unwrap().to_owned();
    let gone = place(&mut client, &[(&id, 5)]);
    decided(&mut client, &gone);
    let (status, _) = client
        .send("PATCH", &format!("/api/v1/orders/{gone}/status"), "", Some(&json!({"status": 5})))
        .unwrap();
    assert_eq!(status, 200);
    support::until(&mut client, &gone, |order| order["stockStatus"] == "released");

    let (code, running) = holdfast(folder.path(), &["--explain", "test product"]);
    assert!(code == Some(0) && running.contains("The system is running"), "{running}");
    system.stop();
    for named in [&id, "Test Product"] {
        let (code, said) = holdfast(folder.path(), &["--explain", named]);
        assert_eq!(code, Some(0), "{said}");
        assert!(running.ends_with(&said), "{running} {said}");
        for shown in
            ["48 available = 50 on hand − 2 held", "mov-1", "+50", &number, "Pending, reserved", "It adds up"]
        {
            assert!(said.contains(shown), "{shown}: {said}");
        }
    }
    let (code, said) = holdfast(folder.path(), &["--explain", &id, "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["addsUp"], &said["balances"]["stock"]), (Some(0), &json!(true), &json!(48)));
    assert_eq!(said["holds"][0]["orderNumber"], json!(number));
    assert_eq!(said["movements"].as_array().unwrap().len(), 4);
    assert_eq!(said["movementsAddUpTo"], json!({"stock": 48, "reserved": 2, "onHand": 50}));

    let (code, said) = holdfast(folder.path(), &["--explain", "Twin"]);
    assert!(code == Some(2) && said.contains("2 products have the name"), "{said}");
    let (code, said) = holdfast(folder.path(), &["--explain", "Nothing"]);
    assert!(code == Some(2) && said.contains("there is no product"), "{said}");

    damage(folder.path(), "products.db", "UPDATE stock SET on_hand = 51, available = 49 WHERE reserved = 2");
    let (code, said) = holdfast(folder.path(), &["--explain", &id]);
    assert!(
        code == Some(1) && said.contains("says 51 on hand and 2 held; its movements add up to 50 and 2"),
        "{said}"
    );
}

/// Many movements: the newest are shown, and the older ones added up.
#[test]
fn an_explanation_is_bounded_unless_all_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let mut products = Client::connect(system.products).unwrap();
    let id = product(&mut products, "Test Product", 50);
    for n in 1..=30 {
        let path = format!("/api/v1/products/{id}/adjust");
        let key = format!("Idempotency-Key: adjust-{n}\r\n");
        let (status, answer) =
            products.send("POST", &path, &key, Some(&json!({"delta": 1, "reason": "found"}))).unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    system.stop();
    let (code, said) = holdfast(folder.path(), &["--explain", &id]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("11 older") && said.contains("+60") && !said.contains("mov-11 "), "{said}");
    assert!(said.contains("80 available") && said.contains("by 31 movements"), "{said}");
    let (_, all) = holdfast(folder.path(), &["--explain", &id, "--all"]);
    assert!(!all.contains("older") && all.contains("mov-1 ") && all.contains("mov-31 "), "{all}");
}

/// What is stored is put back to what the movements say: shown first, then done, once.
#[test]
fn stock_is_rebuilt_from_the_movements() {
    let folder = tempfile::tempdir().unwrap();
    let (id, _, _) = a_small_shop(folder.path());
    let (code, said) = holdfast(folder.path(), &["--rebuild"]);
    assert!(code == Some(0) && said.contains("Nothing to rebuild"), "{said}");
    for (sql, shown) in [
        ("UPDATE stock SET on_hand = 53, available = 51", "on hand 53 → 50 (-3)"),
        ("UPDATE stock SET reserved = 0, available = 50", "reserved 0 → 2 (+2)"),
        ("UPDATE stock SET last_movement = 1", "newest movement mov-1 → mov-2"),
        ("DELETE FROM holds", "hold-2 of 2"),
        ("UPDATE holds SET quantity = 9", "comes back"),
        (
            "INSERT INTO holds SELECT product, 77, reservation, http_order, line, 3, 0, at FROM holds",
            "hold-77 of 3",
        ),
    ] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        assert!(damage(damaged.path(), "products.db", sql) > 0, "{sql}");
        let (code, said) = holdfast(damaged.path(), &["--rebuild"]);
        assert!(
            code == Some(1) && said.contains(shown) && said.contains("nothing was changed"),
            "{sql}: {said}"
        );
        assert_eq!(audit(damaged.path()).0.code(), Some(1), "{sql}: only shown");
        let (code, said) = holdfast(damaged.path(), &["--rebuild", "--apply"]);
        assert!(code == Some(0) && said.contains(shown) && said.contains("Rebuilt 1 of"), "{sql}: {said}");
        let (exit, said) = audit(damaged.path());
        assert!(exit.success() && said.contains("Clean"), "{sql}: {said}");
        let (code, said) = holdfast(damaged.path(), &["--rebuild", "--apply", "--json"]);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (code, &said["differences"], &said["applied"]),
            (Some(0), &json!(0), &json!(false)),
            "{sql}"
        );

        // And it goes on from there.
        let system = Holdfast::start(damaged.path());
        let mut client = Client::connect(system.orders).unwrap();
        let placed = place(&mut client, &[(&id, 48)]);
        assert_eq!(decided(&mut client, &placed)["stockStatus"], "reserved", "{sql}");
        system.stop();
        assert!(audit(damaged.path()).0.success(), "{sql}");
    }
}

#[test]
fn nothing_is_rebuilt_under_a_running_system_or_from_a_damaged_ledger() {
    let folder = tempfile::tempdir().unwrap();
    a_small_shop(folder.path());
    for (sql, why) in [
        ("DELETE FROM movements WHERE id = 1", "the ledger has a gap before mov-2"),
        ("UPDATE movements SET reserved_delta = 1 WHERE id = 2", "must leave"),
        ("UPDATE movements SET cause = 'x' WHERE id = 2", "mov-2"),
        ("DELETE FROM stock", "has no balances"),
    ] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        assert!(damage(damaged.path(), "products.db", sql) > 0, "{sql}");
        let before = fs::read(damaged.path().join("products.db")).unwrap();
        for args in [&["--rebuild"][..], &["--rebuild", "--apply"]] {
            let (code, said) = holdfast(damaged.path(), args);
            assert!(code == Some(2) && said.contains(why), "{sql}: {said}");
        }
        assert!(fs::read(damaged.path().join("products.db")).unwrap() == before, "{sql}");
    }
    let system = Holdfast::start(folder.path());
    let (code, said) = holdfast(folder.path(), &["--rebuild", "--apply"]);
    assert!(code == Some(2) && said.contains("stop the service"), "{said}");
    let (code, said) = holdfast(folder.path(), &["--rebuild"]);
    assert!(code == Some(0) && said.contains("snapshots") && said.contains("Nothing to rebuild"), "{said}");
    system.stop();
}
