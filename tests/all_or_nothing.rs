//! What readers see while orders of several lines are held and given back, on the real binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::{Client, Holdfast, order, product};

const ORDERS: usize = 200;

/// Every order takes one of each of two products, so in every single response both have as much reserved.
#[test]
fn invariant_2_no_single_response_shows_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let mut products = Client::connect(system.products).unwrap();
    // One runs out before the other: then neither may move.
    let scarce = product(&mut products, "Pair left", 120);
    let plenty = product(&mut products, "Pair right", 100_000);
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut orders = Client::connect(system.orders).unwrap();
            for n in 0..ORDERS {
                let body = order(&[(&scarce, 1), (&plenty, 1)]);
                let (status, answer) = orders.send("POST", "/api/v1/orders", "", Some(&body)).unwrap();
                assert_eq!(status, 201, "{answer}");
                if n % 4 == 0 {
                    let id = answer["data"]["order"]["_id"].as_str().unwrap();
                    let path = format!("/api/v1/orders/{id}/cancel");
                    let (status, answer) = orders.send("PATCH", &path, "", Some(&json!({}))).unwrap();
                    assert!([200, 422].contains(&status), "{answer}");
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut looks = 0;
        while !done.load(Ordering::SeqCst) {
            let answer = products.get("/api/v1/products?search=pair");
            let both = answer["data"]["products"].as_array().unwrap();
            assert_eq!(both.len(), 2, "{answer}");
            assert_eq!(both[0]["reserved"], both[1]["reserved"], "{answer}");
            assert!(both.iter().all(|p| p["stock"].as_i64().unwrap() >= 0), "{answer}");
            looks += 1;
        }
        looks
    });
    assert!(looks > 0);
    system.stop();
}
