//! Histories that are made up: the verdict has to find what is wrong with them, and nothing where nothing is.

use std::collections::BTreeMap;

use holdfast_contract::{Key, OrderId, ProductId};
use serde_json::{Value, json};

use super::counter::Seen;
use super::finding::{Finding, Kind};
use super::shop::Stocked;
use super::story::{Message, Story};
use super::told::{Adjusted, HttpHold, Promises};
use super::verdict::judge;
use super::view::{HoldView, MovementView, OrderView, ProductView};
use super::world::World;

const PRODUCT: &str = "650000000000000000000001";

fn order_id(number: u16) -> String {
    OrderId::new(Key::compose(1_764_000_000_000, 1, number)).to_string()
}

fn product() -> ProductId {
    PRODUCT.parse().unwrap()
}

/// Order `number`, of two units.
fn order(number: u16, version: u64, status: u8, stock: &str) -> OrderView {
    OrderView::of(&order_json(number, version, status, stock)).unwrap()
}

fn order_json(number: u16, version: u64, status: u8, stock: &str) -> Value {
    json!({
        "_id": order_id(number), "userId": format!("key-{number}"), "totalAmount": 59.98,
        "items": [{"productId": PRODUCT, "quantity": 2}],
        "status": status, "stockStatus": stock, "version": version,
    })
}

fn movement(order: &str, kind: &str, delta: i64, reason: Option<&str>) -> MovementView {
    let line = (!order.is_empty()).then_some(1);
    serde_json::from_value(json!({
        "productId": PRODUCT, "orderId": (!order.is_empty()).then_some(order), "lineId": line, "kind": kind,
        "onHandDelta": delta, "cause": {"type": "x", "reason": reason},
        "balances": {"stock": 1, "reserved": 1, "onHand": 2},
    }))
    .unwrap()
}

/// Ten there were; one was corrected away; order 1 got two, order 2 holds two, order 3 was rejected, order 4 is deleted, and
/// one is held over HTTP.
struct Case {
    told: Promises,
    world: World,
}

impl Case {
    fn new() -> Self {
        let mut told = Promises::default();
        for told_of in [
            order(1, 1, 1, "pending"),
            order(1, 4, 3, "reserved"),
            order(2, 1, 1, "pending"),
            order(3, 1, 1, "pending"),
            order(4, 1, 1, "pending"),
        ] {
            told.order(told_of);
        }
        let deleted: OrderId = order_id(4).parse().unwrap();
        told.orders.get_mut(&deleted).unwrap().deleted = true;
        let correction = |delta, done| Adjusted { product: product(), delta, done };
        told.adjusted.insert("damaged-1".to_owned(), correction(-1, true));
        told.adjusted.insert("damaged-2".to_owned(), correction(-9, false));
        told.held.insert(("till-1".to_owned(), product()), HttpHold { quantity: 1, released: false });
        told.held.insert(("till-2".to_owned(), product()), HttpHold { quantity: 3, released: true });

        let there = [order(1, 5, 3, "fulfilled"), order(2, 2, 1, "reserved"), order(3, 2, 5, "rejected")];
        let hold = |name: &str, quantity: u32, source: &str| -> HoldView {
            let (product, order) = (PRODUCT, name);
            serde_json::from_value(
                json!({"productId": product, "orderId": order, "quantity": quantity, "source": source}),
            )
            .unwrap()
        };
        let world = World {
            orders: there.into_iter().map(|order| (order.id, order)).collect(),
            products: vec![ProductView { id: product(), stock: 4, reserved: 3, on_hand: 7, version: 9 }],
            movements: vec![
                movement(&order_id(1), "reserved", 0, None),
                movement(&order_id(1), "fulfilled", -2, None),
                movement(&order_id(2), "reserved", 0, None),
                movement("", "adjusted", -1, Some("damaged-1")),
            ],
            holds: vec![hold("till-1", 1, "http"), hold(&order_id(2), 2, "event")],
        };
        Self { told, world }
    }

    fn order(&mut self, number: u16) -> &mut OrderView {
        self.world.orders.get_mut(&order_id(number).parse().unwrap()).unwrap()
    }

    fn found(&self) -> Vec<Finding> {
        let shop = Stocked { id: product(), text: PRODUCT.to_owned(), name: "x".to_owned(), initial: 10 };
        let mut found = self.told.findings.clone();
        found.extend(judge(&self.told, &self.world, &[shop]));
        found
    }
}

/// The kinds that are found once this is done to a sound history.
fn kinds(spoil: impl FnOnce(&mut Case)) -> Vec<Kind> {
    let mut case = Case::new();
    spoil(&mut case);
    let mut kinds: Vec<Kind> = case.found().iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn a_sound_history_is_clean() {
    assert_eq!(Case::new().found(), []);
}

#[test]
fn a_lost_order_is_found() {
    let lost = kinds(|case| {
        case.world.orders.remove(&order_id(3).parse().unwrap());
    });
    assert_eq!(lost, [Kind::AcknowledgedLost]);
    let undeleted = kinds(|case| {
        let back = order(4, 3, 5, "released");
        case.world.orders.insert(back.id, back);
    });
    assert_eq!(undeleted, [Kind::AcknowledgedLost]);
}

#[test]
fn a_lost_change_is_found() {
    // It was shipped, as a client was told, and it is not; its stock is consistent with that.
    let unshipped = kinds(|case| {
        *case.order(1) = order(1, 3, 2, "reserved");
        case.world.products[0] = ProductView { stock: 4, reserved: 5, on_hand: 9, ..case.world.products[0] };
    });
    assert_eq!(unshipped, [Kind::AcknowledgedLost]);
    let other_lines = kinds(|case| case.order(3).items[0].quantity = 1);
    assert_eq!(other_lines, [Kind::AcknowledgedLost]);
    let back_in_time = kinds(|case| case.told.order(order(1, 2, 1, "reserved")));
    assert_eq!(back_in_time, [Kind::AcknowledgedLost]);
    let other_at_the_same_version = kinds(|case| case.told.order(order(2, 1, 2, "reserved")));
    assert_eq!(other_at_the_same_version, [Kind::AcknowledgedLost]);
}

#[test]
fn a_double_effect_is_found() {
    let two_orders = kinds(|case| {
        let twin = OrderView { user_id: "key-3".to_owned(), ..order(5, 2, 5, "rejected") };
        case.world.orders.insert(twin.id, twin);
    });
    assert_eq!(two_orders, [Kind::DoubleEffects]);
    let two_corrections = kinds(|case| {
        case.world.movements.push(movement("", "adjusted", -1, Some("damaged-1")));
    });
    assert_eq!(two_corrections, [Kind::DoubleEffects]);
    let refused_and_done = kinds(|case| {
        case.world.movements.push(movement("", "adjusted", -9, Some("damaged-2")));
    });
    assert_eq!(refused_and_done, [Kind::DoubleEffects]);
    let shipped_twice =
        kinds(|case| case.world.movements.push(movement(&order_id(1), "fulfilled", -2, None)));
    assert_eq!(shipped_twice, [Kind::DoubleEffects]);
    let held_for_nobody = kinds(|case| case.world.holds[1].source = "http".to_owned());
    assert_eq!(held_for_nobody, [Kind::DoubleEffects]);
}

#[test]
fn a_lost_correction_or_reservation_is_found() {
    let correction = kinds(|case| {
        case.world.movements.pop();
    });
    assert_eq!(correction, [Kind::AcknowledgedLost]);
    let held = kinds(|case| {
        case.world.holds.remove(0);
    });
    assert_eq!(held, [Kind::AcknowledgedLost]);
    let released = kinds(|case| {
        case.told.held.get_mut(&("till-1".to_owned(), product())).unwrap().released = true;
        case.world.products[0] = ProductView { stock: 5, reserved: 2, ..case.world.products[0] };
    });
    assert_eq!(released, [Kind::AcknowledgedLost]);
}

#[test]
fn an_oversold_product_is_found() {
    let oversold = kinds(|case| {
        let more = OrderView { items: vec![case.order(2).items[0].clone(); 4], ..order(6, 2, 1, "reserved") };
        case.world.orders.insert(more.id, more);
    });
    assert_eq!(oversold, [Kind::Oversold, Kind::Unbalanced]);
    let negative = kinds(|case| case.world.movements[0].balances.stock = -1);
    assert_eq!(negative, [Kind::Oversold]);
    let mut seen = Seen::default();
    let product =
        |stock, version| ProductView { id: product(), stock, reserved: 3, on_hand: stock + 3, version };
    seen.look(&[product(1, 5)]);
    assert_eq!(seen.findings, []);
    seen.look(&[product(-1, 6)]);
    assert_eq!(seen.findings[0].kind, Kind::Oversold);
    seen.look(&[product(1, 5)]);
    assert_eq!(seen.findings[1].kind, Kind::AcknowledgedLost);
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    let lost_stock = kinds(|case| {
        case.world.products[0] = ProductView { stock: 3, on_hand: 6, ..case.world.products[0] };
    });
    assert_eq!(lost_stock, [Kind::Unbalanced]);
}

#[test]
fn an_undecided_order_is_found() {
    let undecided = kinds(|case| {
        let waits = order(7, 1, 1, "pending");
        case.world.orders.insert(waits.id, waits);
    });
    assert_eq!(undecided, [Kind::Undecided]);
    assert!(kinds(|case| *case.order(1) = order(1, 4, 3, "reserved")).contains(&Kind::Undecided));
}

/// A message about order 1 from record `offset`.
fn told(offset: u64, event: &str, version: u64, status: u8) -> Message {
    let message = json!({
        "event": event, "seq": format!("order.live/0/{offset}~p{offset}"), "message": "", "timestamp": "",
        "order": order_json(1, version, status, "reserved"),
    });
    Message::read(&message.to_string()).unwrap()
}

/// The kinds that are found in a story of order 1, which is at version 3 in the end.
fn heard(messages: &[Message]) -> Vec<Kind> {
    let mut story = Story::default();
    for message in messages {
        story.hear(message);
    }
    let there = order(1, 3, 5, "released");
    let orders = BTreeMap::from([(there.id, there)]);
    story.end(&orders, &[], |_| false).iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_missed_and_a_repeated_live_event_are_found() {
    let whole = [
        told(0, "order:created", 1, 1),
        told(1, "order:updated", 2, 1),
        told(2, "order:status_changed", 3, 5),
        told(3, "order:cancelled", 3, 5),
    ];
    assert_eq!(heard(&whole), []);
    for missing in 0..whole.len() {
        let mut some = whole.to_vec();
        some.remove(missing);
        assert_eq!(heard(&some), [Kind::LiveMissed], "without message {missing}");
    }
    assert_eq!(heard(&[]), [Kind::LiveMissed]);
    let mut twice = whole.to_vec();
    twice.insert(2, whole[1].clone());
    let kinds = heard(&twice);
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == Kind::LiveRepeated), "{kinds:?}");
    let mut turned = whole.to_vec();
    turned.swap(0, 1);
    assert!(heard(&turned).contains(&Kind::LiveRepeated));
    let greeting = |text: &str| Message::read(text).unwrap();
    assert!(greeting(r#"{"event":"ready","seq":"~p","resumed":true}"#).greets(true));
    assert!(!greeting(r#"{"event":"ready","seq":"~p","resumed":false}"#).greets(true));
    assert!(greeting(r#"{"event":"server:shutdown"}"#).greets(true));
    let reload = Message::read(r#"{"event":"reload","seq":"~p","reason":"too_far_behind"}"#).unwrap();
    assert_eq!(heard(&[&whole[..], &[reload]].concat()), [Kind::LiveMissed]);
}
