//! What the calls must have come to: each once, and as its answer says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::calls::{Call, Kind, ON_HAND, Shop};
use crate::support::{Client, Holdfast, all_orders};
use crate::wire::Answer;

/// Compares what is there with what was answered.
pub(crate) fn check(system: &Holdfast, shop: &Shop, answers: &BTreeMap<String, Answer>) {
    assert_eq!(answers.len(), shop.calls().len(), "every key has its answer");
    let mut orders = Client::connect(system.orders).unwrap();
    let mut products = Client::connect(system.products).unwrap();
    let answered: Vec<(&Call, &Answer)> =
        shop.calls().iter().map(|call| (call, &answers[&call.key])).collect();
    let of = |kind: Kind| answered.iter().filter(move |(call, _)| call.kind == kind).copied();
    let succeeded = |kind: Kind| of(kind).filter(|(_, answer)| answer.status < 300).count();

    for (call, answer) in &answered {
        let expected: &[u16] = match call.kind {
            Kind::Place | Kind::Create => &[201],
            Kind::Process => &[200, 422],
            Kind::Adjust => &[200, 409],
            _ => &[200],
        };
        assert!(expected.contains(&answer.status), "{call:?}: {answer:?}");
    }

    placed(&mut orders, of(Kind::Place));
    for (call, answer) in of(Kind::Cancel).chain(of(Kind::Process)).chain(of(Kind::Edit)) {
        changed(&mut orders, call, answer);
    }
    for (call, _) in of(Kind::DeleteOrder) {
        let path = format!("/api/v1/orders/{}", call.id);
        assert_eq!(orders.send("GET", &path, "", None).unwrap().0, 404);
    }
    let cancelled = succeeded(Kind::Cancel) + succeeded(Kind::DeleteOrder);
    assert_eq!(events(&mut orders, "order.cancelled"), cancelled, "each is announced once");

    let total = products.get("/api/v1/products?limit=1")["meta"]["total"].as_u64().unwrap();
    let catalogue = shop.catalogue + succeeded(Kind::Create) - succeeded(Kind::DeleteProduct);
    assert_eq!(total, catalogue as u64);
    for (call, _) in of(Kind::Update) {
        let product = &products.get(&format!("/api/v1/products/{}", call.id))["data"]["product"];
        assert_eq!((&product["price"], &product["version"]), (&json!(2), &json!(2)), "{product}");
    }
    for (n, id) in shop.products.iter().enumerate() {
        let adjusted = of(Kind::Adjust).filter(|(call, answer)| call.id == *id && answer.status == 200);
        let delta: i64 = adjusted.map(|(call, _)| call.body["delta"].as_i64().unwrap()).sum();
        let product = &products.get(&format!("/api/v1/products/{id}"))["data"]["product"];
        assert_eq!(product["onHand"], json!(i64::from(ON_HAND[n]) + delta), "{product}");
    }
    held_over_http(&mut products, &shop.products[0], of(Kind::Reserve).map(|(call, _)| call));
}

/// One order for each key, and it is the one that was answered.
fn placed<'a>(orders: &mut Client, calls: impl Iterator<Item = (&'a Call, &'a Answer)>) {
    let mut there: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for order in all_orders(orders) {
        there.entry(order["userId"].as_str().unwrap().to_owned()).or_default().push(order);
    }
    for (call, answer) in calls {
        let [order] = &there[&call.key][..] else { panic!("{call:?}: {:?}", there[&call.key]) };
        assert_eq!(order["_id"], answer.json()["data"]["order"]["_id"], "{call:?}");
    }
}

/// A change was made once if its answer says so, and not at all if it was refused.
fn changed(orders: &mut Client, call: &Call, answer: &Answer) {
    let path = format!("/api/v1/orders/{}/timeline", call.id);
    let timeline = orders.get(&path)["data"]["steps"].take();
    let steps = timeline.as_array().unwrap();
    let kind = if call.kind == Kind::Edit { "order_edited" } else { "status_changed" };
    let made = steps.iter().filter(|step| step["kind"] == kind).count();
    assert_eq!(made, usize::from(answer.status == 200), "{call:?} {answer:?}: {timeline}");
}

/// How many messages a topic has got.
fn events(orders: &mut Client, topic: &str) -> usize {
    let topic = &orders.get(&format!("/api/v1/topics/{topic}"))["data"]["topic"];
    usize::try_from(topic["messages"].as_u64().unwrap_or_else(|| panic!("{topic}"))).unwrap()
}

/// Exactly the reservations over HTTP that were answered are held.
fn held_over_http<'a>(products: &mut Client, id: &str, calls: impl Iterator<Item = &'a Call>) {
    let mut held = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = products.get(&format!("/api/v1/products/{id}/holds?limit=200{cursor}"));
        let over_http =
            page["data"]["holds"].as_array().unwrap().iter().filter(|hold| hold["source"] == "http");
        held.extend(over_http.map(|hold| hold["orderId"].as_str().unwrap().to_owned()));
        match page["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(held.len(), held.iter().collect::<BTreeSet<_>>().len(), "held twice");
    let reserved: BTreeSet<String> = calls.map(|call| call.key.clone()).collect();
    assert_eq!(held.into_iter().collect::<BTreeSet<_>>(), reserved);
}
