//! Orders to test with.

use std::sync::Arc;

use holdfast_contract::text::{Name, Text, UserId};
use holdfast_contract::{
    Currency, Key, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, ProductId, Quantity, Timestamp,
};

use super::Subject;
use crate::domain::{
    Address, Answer, Changed, Command, Decision, Draft, DraftItem, Metadata, Order, decide, place,
};
use crate::store::{Change, Commit, StepCause};

/// 2025-11-20, in milliseconds.
const START: u64 = 1_763_600_000_000;

/// The `n`th order's id; later ones are greater.
pub(super) fn id(n: u32) -> OrderId {
    OrderId::new(Key::compose(START + u64::from(n) * 10, 1, 0))
}

/// `millis` after the start.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.cast_signed() + millis)
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid user")
}

pub(super) fn placed_with(n: u32, user_id: &str, names: &[&str], cents: u64) -> Changed {
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

pub(super) fn placed(n: u32) -> Changed {
    placed_with(n, "user-1", &["Test Product"], 2999)
}

pub(super) fn request(name: &str) -> StepCause {
    StepCause::Request { request_id: name.to_owned(), subject: None }
}

pub(super) fn insert(n: u32) -> Change {
    Change::insert(placed(n), request("place"), None)
}

/// What follows from a command that must change something.
pub(super) fn decided(order: &Order, command: Command) -> Changed {
    match decide(order, command, order.updated_at) {
        Ok(Decision::Changed(changed)) => changed,
        other => panic!("expected a change, got {other:?}"),
    }
}

pub(super) fn update(order: &Order, command: Command) -> Change {
    Change::update(order, decided(order, command), request("change"), None)
}

pub(super) fn to(to: OrderStatus) -> Command {
    Command::SetStatus { to, reason: None, tracking: None }
}

pub(super) fn reserved() -> Command {
    Command::Answer(Answer::Reserved)
}

/// Commits one change that must be taken; gives the order as it is now.
pub(super) async fn commit(subject: &dyn Subject, change: Change) -> Arc<Order> {
    let order = change.order().clone();
    subject.store().commit(Commit::of(change)).await.expect("the commit is taken");
    order
}
