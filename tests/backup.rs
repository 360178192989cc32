//! `holdfast backup` of a running system under load, and `holdfast restore` of what it made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use support::{Client, Holdfast, all_orders, audit, command, decided, eventually, place, product, settled};

fn holdfast(data: &Path, args: &[&str]) -> Output {
    command(data.parent().unwrap()).env("DATA_DIR", data).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, said(output));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Places orders, and cancels every third, until told to stop; notes the ids that were answered with 201.
fn customer(addr: SocketAddr, product: &str, placed: &Mutex<Vec<String>>, stop: &AtomicBool) {
    let mut client = Client::connect(addr).unwrap();
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let id = place(&mut client, &[(product, 1)]);
        if n % 3 == 0 {
            let body = serde_json::json!({"status": 5});
            let path = format!("/api/v1/orders/{id}/status");
            assert_eq!(client.send("PATCH", &path, "", Some(&body)).unwrap().0, 200);
        }
        placed.lock().unwrap().push(id);
    }
}

/// The restored system settles, everything that was accepted before the backup began is in it, and its stock is what its
/// orders hold: nothing was lost, nothing done twice.
fn proves_itself(data: &Path, before: &[String], product: &str, stock: u64) {
    let system = Holdfast::start(data);
    let mut client = Client::connect(system.orders).unwrap();
    let ids: Vec<String> =
        all_orders(&mut client).iter().map(|order| order["_id"].as_str().unwrap().to_owned()).collect();
    for id in before {
        assert!(ids.contains(id), "{id} was accepted before the backup began");
    }
    let orders = settled(&mut client);
    let held = orders.iter().filter(|order| order["stockStatus"] == "reserved").count() as u64;
    let shown = Client::connect(system.products).unwrap().get(&format!("/api/v1/products/{product}"));
    assert_eq!(shown["data"]["product"]["reserved"], held, "what is held is what the orders hold");
    assert_eq!(shown["data"]["product"]["stock"], stock - held);
    // It goes on being used.
    let id = place(&mut client, &[(product, 1)]);
    decided(&mut client, &id);
    system.stop();
    let (exit, said) = audit(data);
    assert!(exit.success(), "{said}");
}

#[test]
fn backups_under_load_are_restored_with_nothing_lost_and_nothing_twice() {
    const STOCK: u32 = 1_000_000;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    let system = Holdfast::start(&data);
    let product = product(&mut Client::connect(system.products).unwrap(), "Test Product", STOCK);
    let (placed, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let mut known = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| customer(system.orders, &product, &placed, &stop));
        }
        for n in 0..3 {
            // Each backup is of a system that has moved on.
            let least = known.last().map_or(0, Vec::len) + 50;
            eventually("more orders", || {
                let now = placed.lock().unwrap().len();
                if now >= least { Ok(()) } else { Err(now.to_string()) }
            });
            known.push(placed.lock().unwrap().clone());
            let to = root.path().join(format!("backup-{n}"));
            let output = holdfast(&data, &["backup", "--to", path(&to)]);
            if !output.status.success() {
                stop.store(true, Ordering::Release);
            }
            succeeds(&output);
            assert!(said(&output).contains("the books balance"), "{}", said(&output));
        }
        stop.store(true, Ordering::Release);
    });
    system.stop();
    for (n, known) in known.iter().enumerate() {
        let from = root.path().join(format!("backup-{n}"));
        let restored = root.path().join(format!("restored-{n}"));
        succeeds(&holdfast(&restored, &["restore", "--from", path(&from)]));
        let (exit, said) = audit_of(&restored);
        assert!(exit, "{said}");
        proves_itself(&restored, known, &product, STOCK.into());
    }
}

/// Every number of this name, wherever it is in a document.
fn numbers(document: &Value, name: &str) -> Vec<u64> {
    match document {
        Value::Object(fields) => {
            let own = fields.get(name).and_then(Value::as_u64);
            own.into_iter().chain(fields.values().flat_map(|value| numbers(value, name))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| numbers(item, name)).collect(),
        _ => Vec::new(),
    }
}

fn audit_of(data: &Path) -> (bool, String) {
    let output = holdfast(data, &["audit"]);
    (output.status.success(), said(&output))
}

#[test]
fn what_cannot_be_done_is_refused_and_touches_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (data, backup) = (root.path().join("data"), root.path().join("backup"));
    fs::create_dir(&data).unwrap();
    let refused = |output: Output, why: &str| {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(why), "{why}: {}", said(&output));
    };
    refused(holdfast(&data, &["backup", "--to", path(&backup)]), "orders.db is not there");
    assert!(!backup.exists());

    let system = Holdfast::start(&data);
    let id = product(&mut Client::connect(system.products).unwrap(), "Test Product", 5);
    let mut client = Client::connect(system.orders).unwrap();
    let order = place(&mut client, &[(&id, 2)]);
    decided(&mut client, &order);
    succeeds(&holdfast(&data, &["backup", "--to", path(&backup)]));
    refused(holdfast(&data, &["backup", "--to", path(&backup)]), "is there already");
    refused(holdfast(&data, &["restore", "--from", path(&backup)]), "is not empty");
    system.stop();
    refused(holdfast(&data, &["restore", "--from", path(&backup)]), "is not empty");
    let manifest: Value = serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["auditProblems"], 0);
    let mut names: Vec<_> = fs::read_dir(&backup).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["manifest.json", "orders.db", "products.db"]);

    // One bit of a backup turns.
    let fresh = root.path().join("fresh");
    let mut content = fs::read(backup.join("products.db")).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let whole = fs::read(backup.join("products.db")).unwrap();
    fs::write(backup.join("products.db"), content).unwrap();
    refused(holdfast(&fresh, &["restore", "--from", path(&backup)]), "products.db is damaged");
    // A backup of a newer build.
    fs::write(backup.join("products.db"), whole).unwrap();
    let newer = manifest.to_string().replace(r#""storage":2"#, r#""storage":99"#);
    fs::write(backup.join("manifest.json"), newer).unwrap();
    refused(holdfast(&fresh, &["restore", "--from", path(&backup)]), "newer");
    assert!(!fresh.exists(), "nothing was touched");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing else stays");
}

/// A client that resumes with what it saw of the old life is told so, although the new one has come further.
#[test]
fn a_restored_journal_is_another_life() {
    let root = tempfile::tempdir().unwrap();
    let (data, backup, restored) =
        (root.path().join("data"), root.path().join("backup"), root.path().join("restored"));
    fs::create_dir(&data).unwrap();
    let first = |addr: SocketAddr| {
        let answer = Client::connect(addr).unwrap().get("/api/v1/topics/order.created/messages?limit=1");
        answer["meta"]["followCursor"].as_str().unwrap().to_owned()
    };
    let system = Holdfast::start(&data);
    let id = product(&mut Client::connect(system.products).unwrap(), "Test Product", 5);
    let mut client = Client::connect(system.orders).unwrap();
    let order = place(&mut client, &[(&id, 1)]);
    decided(&mut client, &order);
    let path_of_next =
        format!("/api/v1/topics/order.created/messages?from=oldest&cursor={}", first(system.orders));
    client.get(&path_of_next);
    succeeds(&holdfast(&data, &["backup", "--to", path(&backup)]));
    system.stop();
    succeeds(&holdfast(&restored, &["restore", "--from", path(&backup)]));

    let system = Holdfast::start(&restored);
    let mut client = Client::connect(system.orders).unwrap();
    let (status, answer) = client.send("GET", &path_of_next, "", None).unwrap();
    assert_eq!((status, &answer["code"]), (400, &Value::from("INVALID_CURSOR")), "{answer}");
    // Nothing is read again: both consumers are at the end of what was there.
    let groups = client.get("/api/v1/groups");
    let lags = numbers(&groups, "lag");
    assert!(!lags.is_empty() && lags.iter().all(|lag| *lag == 0), "{groups}");
    system.stop();
}
