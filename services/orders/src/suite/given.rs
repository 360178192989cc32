//! Orders to test with, and what else is in a commit.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::text::{Name, Text, UserId};
use holdfast_contract::{
    Currency, Key, Money, OrderId, OrderStatus, Partition, PaymentMethod, PaymentStatus, ProductId, Quantity,
    Timestamp, Topic,
};
use holdfast_storage::{
    Advance, Group, Incarnation, Outgoing, ParkCause, Position, Record, Seq, ToPark, TopicPartition,
};

use super::Subject;
use crate::domain::{
    Address, Answer, Changed, Command, Decision, Draft, DraftItem, Metadata, Order, decide, place,
};
use crate::store::{Change, Commit, IdempotencyRecord, StepCause};

/// 2025-11-20, in milliseconds.
const START: u64 = 1_763_600_000_000;

/// The `n`th order's id; later ones are greater.
pub(crate) fn id(n: u32) -> OrderId {
    OrderId::new(Key::compose(START + u64::from(n) * 10, 1, 0))
}

/// `millis` after the start.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.cast_signed() + millis)
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid user")
}

pub(crate) fn placed_with(n: u32, user_id: &str, names: &[&str], cents: u64) -> Changed {
    let name = |text: &str| Name::new(text).expect("a valid name");
    let money = |minor| Money::from_minor(minor, Currency::USD).expect("a valid amount");
    let items: Vec<DraftItem> = names
        .iter()
        .zip(1u8..)
        .map(|(product, number)| DraftItem {
            product_id: ProductId::from_bytes([number; 12]),
            product_name: name(product),
            quantity: Quantity::new(1).expect("a valid quantity"),
            price: money(cents),
        })
        .collect();
    let draft = Draft {
        user_id: user(user_id),
        total: money(cents * items.len() as u64),
        items,
        address: Address {
            street: name("1 Main Street"),
            city: name("Pune"),
            state: name("MH"),
            zip_code: Text::new("411001").expect("a valid code"),
            country: name("India"),
        },
        payment_method: PaymentMethod::Upi,
        payment_status: PaymentStatus::Pending,
        metadata: Metadata::empty(),
        enforce_price: false,
    };
    place(draft, id(n), at(i64::from(n) * 10)).expect("a valid order")
}

pub(crate) fn placed(n: u32) -> Changed {
    placed_with(n, "user-1", &["Test Product"], 2999)
}

pub(crate) fn request(name: &str) -> StepCause {
    StepCause::Request { request_id: name.to_owned(), subject: None }
}

pub(crate) fn insert(n: u32) -> Change {
    Change::insert(placed(n), request("place"), None)
}

/// What follows from a command that must change something.
pub(crate) fn decided(order: &Order, command: Command) -> Changed {
    match decide(order, command, order.updated_at) {
        Ok(Decision::Changed(changed)) => changed,
        other => panic!("expected a change, got {other:?}"),
    }
}

pub(crate) fn update(order: &Order, command: Command) -> Change {
    Change::update(order, decided(order, command), request("change"), None)
}

pub(crate) fn to(to: OrderStatus) -> Command {
    Command::SetStatus { to, reason: None, tracking: None }
}

pub(crate) fn reserved() -> Command {
    Command::Answer(Answer::Reserved)
}

/// Commits one change that must be taken; gives the order as it is now.
pub(crate) async fn commit(subject: &dyn Subject, change: Change) -> Arc<Order> {
    let order = change.order().clone();
    subject.store().commit(Commit::of(change)).await.expect("the commit is taken");
    order
}

pub(crate) const GROUP: Group = "orders-service-group";

pub(crate) fn answer(scope: u8, millis: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        scope: [scope; 16],
        fingerprint: [scope.wrapping_add(1); 32],
        status: 201,
        body: Bytes::from_static(b"{\"success\":true}"),
        at: at(millis),
    }
}

pub(crate) fn advance(from: Option<u64>, to: u64) -> Advance {
    let incarnation = Incarnation(u64::MAX - 7);
    let position = |next| Position { incarnation, next };
    let partition = TopicPartition { topic: Topic::InventoryReserved, partition: Partition(0) };
    Advance { group: GROUP, partition, from: from.map(position), to: position(to) }
}

pub(crate) fn to_park(offset: u64) -> ToPark {
    let record = Record {
        seq: Seq(0),
        topic: Topic::InventoryReserved,
        partition: Partition(0),
        offset,
        key: Bytes::from_static(b"k"),
        payload: Bytes::from_static(b"{"),
        at: at(0),
        traceparent: None,
    };
    ToPark {
        group: GROUP,
        record: Arc::new(record),
        order: None,
        cause: ParkCause::Poison("not JSON".to_owned()),
        at: at(1),
    }
}

pub(crate) fn copy() -> Outgoing {
    Outgoing {
        topic: Topic::InventoryReservedDlq,
        key: Bytes::from_static(b"k"),
        payload: Bytes::from_static(b"{"),
        at: at(1),
        traceparent: None,
    }
}
