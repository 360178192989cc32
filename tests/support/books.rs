//! What must be true once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::told::SoFar;
use super::{Client, all_orders, until};

/// Waits until every order is decided; gives all of them. They were placed and cancelled, and nothing else.
pub(crate) fn settled(orders: &mut Client) -> Vec<Value> {
    loop {
        let all = all_orders(orders);
        let Some(open) = all.iter().find(|order| !rests(order)) else { return all };
        // Looking at one is cheaper than looking at all again and again.
        until(orders, open["_id"].as_str().unwrap(), rests);
    }
}

/// Whether nothing more is to happen to an order that was placed, and perhaps cancelled (once shipped, too).
fn rests(order: &Value) -> bool {
    match (order["status"].as_u64(), order["stockStatus"].as_str()) {
        (Some(1), Some("reserved")) | (Some(5), Some("rejected" | "released" | "returned")) => true,
        (Some(1), Some("pending")) | (Some(5), Some("pending" | "reserved" | "fulfilled")) => false,
        other => panic!("not a state that these clients can reach: {other:?}"),
    }
}

/// Compares settled orders with all that clients were told, and the stock with what the orders hold.
pub(crate) fn balance(orders: &[Value], told: &SoFar, products: &mut Client, ids: &[String]) {
    kept(orders, told);
    assert!(told.unsure.is_empty(), "{} requests are still to be answered", told.unsure.len());
    assert_eq!(orders.len(), told.accepted.len(), "every request has been answered by now");
    held(orders, products, ids);
}

/// Invariants 3, 4 and 5: whatever clients were told is there, and what was sent again with its key is there once.
pub(crate) fn kept(orders: &[Value], told: &SoFar) {
    let there: BTreeSet<&str> = orders.iter().map(|o| o["_id"].as_str().unwrap()).collect();
    let missing: Vec<_> = told.accepted.iter().filter(|id| !there.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "accepted and lost: {missing:?}");
    let users: BTreeSet<&str> = orders.iter().map(|o| o["userId"].as_str().unwrap()).collect();
    assert_eq!(users.len(), orders.len(), "sent again with its key, and there twice");
    for id in &told.cancelled {
        let order = orders.iter().find(|o| o["_id"] == **id).unwrap();
        assert_eq!(order["status"], 5, "cancelled and forgotten: {id}");
    }
}

/// Invariant 1: stock is what settled orders hold.
pub(crate) fn held(orders: &[Value], products: &mut Client, ids: &[String]) {
    let mut held: BTreeMap<&str, i64> = BTreeMap::new();
    for order in orders.iter().filter(|o| o["stockStatus"] == "reserved") {
        for item in order["items"].as_array().unwrap() {
            *held.entry(item["productId"].as_str().unwrap()).or_default() +=
                item["quantity"].as_i64().unwrap();
        }
    }
    for id in ids {
        let product = &products.get(&format!("/api/v1/products/{id}"))["data"]["product"];
        assert!(product["stock"].as_i64().unwrap() >= 0, "{product}");
        let held = held.get(id.as_str()).copied().unwrap_or(0);
        assert_eq!(product["reserved"].as_i64(), Some(held), "{product}");
    }
}

/// Waits until the audit of a running service has finished more than this many rounds of each of its parts, and found
/// nothing in any; gives how many it has finished.
pub(crate) fn audited(service: &mut Client, rounds: u64) -> u64 {
    super::eventually("audited", || {
        let said = service.get("/health/audit")["data"].clone();
        assert_eq!(said["findings"], serde_json::json!([]), "{said}");
        let parts = said["parts"].as_array().unwrap().iter();
        let finished = parts.map(|part| part["rounds"].as_u64().unwrap()).min().unwrap();
        if finished > rounds { Ok(finished) } else { Err(said.to_string()) }
    })
}
