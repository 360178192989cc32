//! What the rules promise, over random histories.

use holdfast_contract::event::{Body, ReleaseOutcome};
use holdfast_contract::stock::{RejectReason, Shortage};
use holdfast_contract::text::{Name, Note, Text, UserId};
use holdfast_contract::{
    Currency, Key, LineId, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, ProductId, Quantity,
    StockStatus, Timestamp, Topic,
};
use proptest::prelude::*;

use super::*;
use crate::store::{decode_order, encode_order};

fn usd(minor: u64) -> Money {
    Money::from_minor(minor, Currency::USD).unwrap()
}

fn address(street: &str) -> Address {
    let name = |text| Name::new(text).unwrap();
    Address {
        street: name(street),
        city: name("Pune"),
        state: name("MH"),
        zip_code: Text::new("411001").unwrap(),
        country: name("India"),
    }
}

fn draft(lines: &[(u64, u64)]) -> Draft {
    let items: Vec<DraftItem> = lines
        .iter()
        .zip(1u8..)
        .map(|((quantity, price), product)| DraftItem {
            product_id: ProductId::from_bytes([product; 12]),
            product_name: Name::new(&format!("Product \"{product}\"")).unwrap(),
            quantity: Quantity::new(*quantity).unwrap(),
            price: usd(*price),
        })
        .collect();
    Draft {
        user_id: UserId::new("user-1").unwrap(),
        items,
        total: usd(lines.iter().map(|(quantity, price)| quantity * price).sum()),
        address: address("1 Main Street"),
        payment_method: PaymentMethod::CreditCard,
        payment_status: PaymentStatus::Pending,
        metadata: Metadata::parse(r#"{"gift":true,"note":"a \"b\""}"#).unwrap(),
        enforce_price: true,
    }
}

fn id() -> OrderId {
    OrderId::new(Key::compose(1_763_600_000_000, 1, 2))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_763_600_000_000 + millis)
}

fn placed() -> Order {
    place(draft(&[(2, 2999), (1, 2)]), id(), at(0)).unwrap().order
}

fn shortages() -> Vec<Shortage> {
    vec![Shortage {
        product_id: ProductId::from_bytes([1; 12]),
        product_name: Name::new("Product").unwrap(),
        line_ids: vec![LineId(1)],
        requested: 2,
        available: 1,
        reason: RejectReason::OutOfStock,
    }]
}

fn rejected() -> Command {
    Command::Answer(Answer::Rejected { reason: RejectReason::OutOfStock, shortages: shortages() })
}

fn to(to: OrderStatus) -> Command {
    Command::SetStatus { to, reason: None, tracking: None }
}

fn answer(answer: Answer) -> Command {
    Command::Answer(answer)
}

/// Applies commands that must all be allowed.
fn after(commands: impl IntoIterator<Item = Command>) -> Order {
    commands.into_iter().zip(1..).fold(placed(), |order, (command, millis)| {
        match decide(&order, command, at(millis)).unwrap() {
            Decision::Noop => order,
            Decision::Changed(changed) => changed.order,
        }
    })
}

fn reserved() -> [Command; 1] {
    [answer(Answer::Reserved)]
}

fn shipped() -> [Command; 3] {
    [answer(Answer::Reserved), to(OrderStatus::Processing), to(OrderStatus::Shipped)]
}

fn changed(order: &Order, command: Command) -> Changed {
    match decide(order, command, at(100)).unwrap() {
        Decision::Changed(changed) => changed,
        Decision::Noop => panic!("expected a change"),
    }
}

#[test]
fn placing_proves_the_lines_together() {
    let mut wrong = draft(&[(2, 2999)]);
    wrong.total = usd(5997);
    assert_eq!(place(wrong, id(), at(0)), Err(PlaceRefusal::TotalMismatch { expected: usd(5998) }));
    assert_eq!(place(draft(&[]), id(), at(0)), Err(PlaceRefusal::Empty));
    assert!(place(draft(&[(1, 1); 200]), id(), at(0)).is_ok());
    assert_eq!(place(draft(&[(1, 1); 201]), id(), at(0)), Err(PlaceRefusal::TooManyLines));
    let mut huge = draft(&[(1, 1)]);
    huge.items[0].price = usd(Money::MAX_MINOR);
    huge.items[0].quantity = Quantity::new(2).unwrap();
    assert_eq!(place(huge, id(), at(0)), Err(PlaceRefusal::Overflow));
    let mut mixed = draft(&[(1, 1)]);
    mixed.items[0].price = Money::from_minor(1, "EUR".parse().unwrap()).unwrap();
    assert_eq!(place(mixed, id(), at(0)), Err(PlaceRefusal::MixedCurrencies));
}

#[test]
fn the_moves_are_those_of_the_contract() {
    use OrderStatus::{Cancelled, Delivered, Pending, Processing, Shipped};
    let delivered = || shipped().into_iter().chain([to(Delivered)]);
    for (order, allowed) in [
        (after(reserved()), vec![Processing, Cancelled]),
        (after(shipped().into_iter().take(2)), vec![Shipped, Cancelled]),
        (after(shipped()), vec![Delivered, Cancelled]),
        (after(delivered()), vec![]),
        (after([to(Cancelled)]), vec![]),
    ] {
        let from = order.status();
        for status in OrderStatus::ALL {
            let decision = decide(&order, to(status), at(50));
            if status == from {
                assert_eq!(decision, Ok(Decision::Noop));
            } else if allowed.contains(&status) {
                assert!(matches!(decision, Ok(Decision::Changed(_))), "{from:?} to {status:?}");
            } else {
                assert_eq!(decision, Err(Refusal::InvalidTransition { from, to: status }));
            }
        }
    }
    assert_eq!(
        decide(&placed(), to(Processing), at(1)),
        Err(Refusal::StockNotReserved { stock: StockStatus::Pending })
    );
    assert_eq!(after([to(Pending)]), placed());
}

#[test]
fn a_rejection_cancels_and_names_every_shortage() {
    let changed = changed(&placed(), rejected());
    let order = &changed.order;
    assert_eq!(order.status(), OrderStatus::Cancelled);
    assert_eq!(order.cancel_reason().unwrap().as_str(), "OUT_OF_STOCK");
    assert_eq!(order.stock.shortages(), shortages());
    assert!(!awaits_products(order));
    let Body::OrderCancelled(body) = &changed.events[1] else { panic!() };
    assert_eq!(body.shortages, shortages());
}

#[test]
fn deleting_cancels_first_and_keeps_what_has_left() {
    let deleted = changed(&placed(), Command::Hide);
    assert!(deleted.order.hidden);
    assert_eq!(deleted.order.version, 2);
    assert_eq!(deleted.events.len(), 3);
    assert_eq!(decide(&deleted.order, Command::Hide, at(2)), Ok(Decision::Noop));
    assert_eq!(decide(&deleted.order, to(OrderStatus::Processing), at(2)), Err(Refusal::Hidden));
    // Its stock still comes back.
    let released = changed(&deleted.order, answer(Answer::Released(ReleaseOutcome::Released)));
    assert_eq!(released.order.stock, Stock::Released);
    assert!(released.order.hidden);
    let status = OrderStatus::Shipped;
    assert_eq!(decide(&after(shipped()), Command::Hide, at(9)), Err(Refusal::NotDeletable { status }));
}

#[test]
fn the_address_is_fixed_once_the_goods_have_left() {
    let edit = |street: &str, metadata: &str| Command::Edit {
        address: Some(address(street)),
        metadata: Some(Metadata::parse(metadata).unwrap()),
    };
    let edited = changed(&placed(), edit("2 Side Street", "{}")).order;
    assert_eq!(edited.address.street.as_str(), "2 Side Street");
    assert_eq!(decide(&edited, edit("2 Side Street", "{}"), at(9)), Ok(Decision::Noop));
    let gone = after(shipped());
    let status = OrderStatus::Shipped;
    assert_eq!(decide(&gone, edit("2 Side Street", "{}"), at(9)), Err(Refusal::AddressFixed { status }));
    // The address that it has is no change, and metadata is always the client's.
    assert_eq!(changed(&gone, edit("1 Main Street", "{}")).order.metadata, Metadata::empty());
}

/// Contract §5, invariant 4: a cancelled order ends the same in whichever order its answers arrive.
#[test]
fn invariant_4_answers_in_any_order_end_the_same() {
    let release = || answer(Answer::Released(ReleaseOutcome::Released));
    let cancel = || to(OrderStatus::Cancelled);
    for answers in [
        vec![release(), answer(Answer::Reserved)],
        vec![answer(Answer::Reserved), release()],
        vec![rejected(), release(), release()],
    ] {
        let order = after([cancel()].into_iter().chain(answers));
        assert_eq!(order.stock, Stock::Released);
        assert_eq!(order.cancel_reason().unwrap().as_str(), "Cancelled on request");
    }
    let returned = || answer(Answer::Released(ReleaseOutcome::Returned));
    for answers in [vec![returned(), answer(Answer::Fulfilled)], vec![answer(Answer::Fulfilled), returned()]]
    {
        let order = after(shipped().into_iter().chain([cancel()]).chain(answers));
        assert_eq!(order.stock, Stock::Returned);
    }
    let order = after(shipped().into_iter().chain([answer(Answer::Fulfilled), cancel(), returned()]));
    assert_eq!(order.stock, Stock::Returned);
}

#[test]
fn what_somebody_else_released_is_cancelled() {
    let lost = changed(&after(reserved()), answer(Answer::Released(ReleaseOutcome::Released)));
    assert_eq!(lost.order.cancel_reason().unwrap().as_str(), "STOCK_RELEASED");
    assert_eq!(lost.order.stock, Stock::Released);
    assert_eq!(lost.events.len(), 2);
}

#[test]
fn the_view_has_the_fields_of_the_contract() {
    let fields = |order: &Order| {
        let json: serde_json::Value = serde_json::from_slice(&view::render(order)).unwrap();
        let mut fields: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
        fields.sort_unstable();
        (json, fields)
    };
    let always = [
        "_id",
        "createdAt",
        "currency",
        "items",
        "metadata",
        "orderNumber",
        "paymentMethod",
        "paymentStatus",
        "reservationId",
        "shippingAddress",
        "status",
        "statusLabel",
        "stockStatus",
        "totalAmount",
        "updatedAt",
        "userId",
        "version",
    ];
    let (json, names) = fields(&placed());
    assert_eq!(names, always);
    assert_eq!(json["totalAmount"].to_string(), "60");
    assert_eq!(json["items"][0]["price"].to_string(), "29.99");
    assert_eq!(json["items"][1]["productName"], "Product \"2\"");
    assert_eq!(json["metadata"]["note"], "a \"b\"");
    assert_eq!(json["shippingAddress"]["zipCode"], "411001");
    let with = |more: &[&str]| {
        let mut all: Vec<String> = always.iter().chain(more).map(ToString::to_string).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(fields(&after([rejected()])).1, with(&["cancelReason", "shortages", "cancelledAt"]));
    let tracked = Command::SetStatus {
        to: OrderStatus::Delivered,
        reason: None,
        tracking: Some(TrackingNumber::new("T-1").unwrap()),
    };
    let delivered = after(shipped().into_iter().chain([tracked]));
    assert_eq!(fields(&delivered).1, with(&["shippedAt", "deliveredAt", "trackingNumber"]));
}

#[test]
fn a_row_that_breaks_an_invariant_is_not_believed() {
    let broken = |change: fn(&mut Parts)| {
        let mut parts = placed().into_parts();
        change(&mut parts);
        Order::restore(parts).is_err()
    };
    assert!(broken(|p| p.stage = Stage::Processing));
    assert!(broken(|p| p.stage = Stage::Shipped { shipped_at: at(0) }));
    assert!(broken(|p| p.stock = Stock::Released));
    assert!(broken(|p| p.stock = Stock::Fulfilled));
    assert!(broken(|p| p.hidden = true));
    assert!(broken(|p| p.version = 0));
    assert!(broken(|p| p.total = usd(1)));
    assert!(broken(|p| p.items = [].into()));
    assert!(broken(|p| p.updated_at = at(-1)));
    let body = String::from_utf8(encode_order(&placed())).unwrap();
    assert_eq!(decode_order(id(), body.as_bytes()).unwrap(), placed());
    for (from, to) in [("\"status\":1", "\"status\":2"), ("\"total\":6000", "\"total\":1"), ("{", "")] {
        assert!(decode_order(id(), body.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
    }
}

fn command() -> impl Strategy<Value = Command> {
    let note = || prop::option::of(Just(Note::new("because").unwrap()));
    prop_oneof![
        6 => (prop::sample::select(&OrderStatus::ALL[..]), note(), prop::option::of(Just(TrackingNumber::new("T").unwrap())))
            .prop_map(|(to, reason, tracking)| Command::SetStatus { to, reason, tracking }),
        1 => note().prop_map(|reason| Command::Cancel { reason }),
        1 => (any::<bool>(), 0..3u8).prop_map(|(a, m)| Command::Edit {
            address: a.then(|| address("3 Third Street")),
            metadata: (m > 0).then(|| Metadata::parse(&format!("{{\"m\":{m}}}")).unwrap()),
        }),
        1 => Just(Command::Hide),
        4 => Just(answer(Answer::Reserved)),
        1 => Just(rejected()),
        1 => Just(answer(Answer::Released(ReleaseOutcome::Released))),
        1 => Just(answer(Answer::Released(ReleaseOutcome::Returned))),
        3 => Just(answer(Answer::Fulfilled)),
    ]
}

/// Contract §3: the table of events.
fn expected_topics(before: &Order, after: &Order) -> Vec<Topic> {
    let (from, to) = (before.status(), after.status());
    if from == to {
        return vec![];
    }
    let mut topics = vec![Topic::OrderStatusChanged];
    match to {
        OrderStatus::Delivered => topics.push(Topic::OrderCompleted),
        OrderStatus::Cancelled => {
            topics.push(Topic::OrderCancelled);
            if !matches!(after.stock, Stock::Rejected { .. } | Stock::Released) {
                topics.push(Topic::InventoryRelease);
            }
        }
        _ => {}
    }
    topics
}

fn expected_live(before: &Order, after: &Order) -> Vec<LiveKind> {
    let mut live = vec![];
    if before.status() != after.status() {
        live.push(LiveKind::StatusChanged);
        match after.status() {
            OrderStatus::Delivered => live.push(LiveKind::Completed),
            OrderStatus::Cancelled => live.push(LiveKind::Cancelled),
            _ => {}
        }
    }
    if before.status() == after.status() || before.hidden != after.hidden {
        live.push(LiveKind::Updated);
    }
    live
}

fn stock_may_move(from: StockStatus, to: StockStatus) -> bool {
    use StockStatus::{Fulfilled, Pending, Rejected, Released, Reserved, Returned};
    from == to
        || matches!(
            (from, to),
            (Pending, Reserved | Rejected | Released | Returned)
                | (Reserved, Released | Fulfilled | Returned)
                | (Fulfilled, Returned)
        )
}

proptest! {
    #[test]
    fn the_sum_is_exact(lines in prop::collection::vec((1u64..=1_000_000, 0u64..=1_000_000_000), 1..=200)) {
        let exact: u128 = lines.iter().map(|(q, p)| u128::from(*q) * u128::from(*p)).sum();
        let mut draft = draft(&[(1, 1)]);
        draft.items = lines.iter().map(|(quantity, price)| DraftItem {
            quantity: Quantity::new(*quantity).unwrap(),
            price: usd(*price),
            ..draft.items[0].clone()
        }).collect();
        draft.total = usd(0);
        let result = place(draft.clone(), id(), at(0));
        if exact == 0 {
            prop_assert!(result.is_ok());
        } else if exact > u128::from(Money::MAX_MINOR) {
            prop_assert_eq!(result, Err(PlaceRefusal::Overflow));
        } else {
            let expected = usd(exact as u64);
            prop_assert_eq!(result, Err(PlaceRefusal::TotalMismatch { expected }));
            draft.total = expected;
            prop_assert!(place(draft, id(), at(0)).is_ok());
        }
    }

    /// Commands and answers in any order, late, repeated: whatever happens, what always holds, holds.
    #[test]
    fn no_history_breaks_an_invariant(history in prop::collection::vec((command(), -5i64..100), 0..40)) {
        let mut order = placed();
        for (command, millis) in history {
            let is_answer = matches!(command, Command::Answer(_));
            let decision = decide(&order, command.clone(), at(millis));
            prop_assert!(!(is_answer && decision.is_err()), "answers are never refused");
            let Ok(Decision::Changed(changed)) = decision else { continue };
            let next = changed.order;
            prop_assert_eq!(Order::restore(next.clone().into_parts()), Ok(next.clone()));
            prop_assert_eq!(next.version, order.version + 1);
            prop_assert!(next.updated_at >= order.updated_at);
            prop_assert_eq!(&next.items, &order.items);
            prop_assert_eq!(next.total, order.total);
            if matches!(order.status(), OrderStatus::Delivered | OrderStatus::Cancelled) {
                prop_assert_eq!(&next.stage, &order.stage, "final");
            }
            prop_assert!(stock_may_move(order.stock.status(), next.stock.status()));
            let topics: Vec<Topic> = changed.events.iter().map(Body::topic).collect();
            prop_assert_eq!(topics, expected_topics(&order, &next));
            let live: Vec<LiveKind> = changed.live.iter().map(|l| l.kind).collect();
            prop_assert_eq!(live, expected_live(&order, &next));
            prop_assert_eq!(awaits_products(&next), outstanding_request(&next).is_some());
            if is_answer {
                // The same answer again does nothing.
                prop_assert_eq!(decide(&next, command, at(200)), Ok(Decision::Noop));
            }
            prop_assert_eq!(decode_order(next.id, &encode_order(&next)).unwrap(), next.clone());
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&view::render(&next)).is_ok());
            order = next;
        }
    }
}
