//! Timelines.

use std::sync::Arc;

use holdfast_contract::stock::{Balances, Movement, MovementKind};
use holdfast_contract::text::Name;
use holdfast_contract::{DEFAULT_LOCATION, LineId, OrderStatus, Partition, ProductId, StockStatus, Topic};
use holdfast_storage::Record;

use super::Subject;
use super::given::{at, commit, decided, id, insert, request, reserved, to, update, user};
use crate::domain::{LiveKind, Order, outstanding_request};
use crate::store::{Change, Commit, StepCause, StepEvent, Timeline};

fn movement(name: &str, line: Option<u16>) -> Movement {
    Movement {
        movement_id: format!("m-{name}"),
        product_id: ProductId::from_bytes([1; 12]),
        product_name: Name::new(name).expect("a valid name"),
        line_id: line.map(LineId),
        kind: MovementKind::Reserved,
        on_hand_delta: 0,
        reserved_delta: -1_000_000,
        hold_id: line.map(|line| format!("hold-{line}")),
        location_id: DEFAULT_LOCATION.to_owned(),
        balances: Balances { stock: 48, reserved: 2, on_hand: 50 },
        at: at(77),
    }
}

fn event(event_id: &str, offset: u64) -> StepCause {
    StepCause::Event(StepEvent {
        event_id: event_id.to_owned(),
        topic: Topic::InventoryReserved,
        partition: 2,
        offset,
        movements: vec![movement("Test Product", Some(1)), movement("Another name", None)],
    })
}

async fn timeline(subject: &dyn Subject) -> Timeline {
    subject.store().timeline(id(1)).await.expect("read").expect("there is an order")
}

fn topics(records: &[Arc<Record>]) -> Vec<(Topic, Partition, u64)> {
    records.iter().map(|record| (record.topic, record.partition, record.offset)).collect()
}

async fn fill(subject: &dyn Subject) -> Arc<Order> {
    // Another order first, so that offsets differ from counts.
    commit(subject, insert(7)).await;
    let subject_of_request = user("clerk");
    let cause = StepCause::Request { request_id: "r-1".to_owned(), subject: Some(subject_of_request) };
    let order = commit(subject, Change::insert(super::given::placed(1), cause, None)).await;
    let change = Change::update(&order, decided(&order, reserved()), event("e-1", 12), None);
    let order = commit(subject, change).await;
    let packing = update(&order, to(OrderStatus::Processing));
    let cancelled = update(&packing.order().clone(), to(OrderStatus::Cancelled));
    let last = cancelled.order().clone();
    let changes = vec![packing, cancelled];
    subject.store().commit(Commit { changes, ..Commit::default() }).await.expect("taken");
    last
}

pub(super) async fn every_step_is_told(subject: Box<dyn Subject>) {
    let last = fill(&*subject).await;
    let outgoing = subject.outgoing().await;
    let steps = timeline(&*subject).await.steps;
    assert_eq!(timeline(&*subject).await.order, last);

    let told: Vec<_> = steps.iter().map(|step| (step.version, step.status, step.stock, step.note)).collect();
    assert_eq!(
        told,
        [
            (1, OrderStatus::Pending, StockStatus::Pending, false),
            (2, OrderStatus::Pending, StockStatus::Reserved, false),
            (3, OrderStatus::Processing, StockStatus::Reserved, false),
            (4, OrderStatus::Cancelled, StockStatus::Reserved, false),
        ]
    );
    assert_eq!(
        steps[0].cause,
        StepCause::Request { request_id: "r-1".to_owned(), subject: Some(user("clerk")) }
    );
    assert_eq!(steps[1].cause, event("e-1", 12));
    assert_eq!(steps[2].cause, request("change"));
    assert_eq!(steps[0].at, at(10));

    // Exactly what went out of this order, in the same places.
    let key = id(1).to_string();
    let of_order: Vec<Arc<Record>> =
        outgoing.into_iter().filter(|record| record.key == key.as_bytes()).collect();
    let told: Vec<_> = steps
        .iter()
        .flat_map(|step| {
            let events = step.outgoing.iter().map(|sent| sent.place);
            events.chain(step.live.iter().map(|live| live.place)).collect::<Vec<_>>()
        })
        .map(|place| (place.topic, place.partition, place.offset.expect("published")))
        .collect();
    assert_eq!(told, topics(&of_order));
    let types: Vec<_> = steps[3].outgoing.iter().map(|sent| sent.event_type).collect();
    assert_eq!(types, ["ORDER_STATUS_CHANGED", "ORDER_CANCELLED", "STOCK_RELEASE_REQUEST"]);
    let kinds: Vec<_> = steps[3].live.iter().map(|live| live.kind).collect();
    assert_eq!(kinds, [LiveKind::StatusChanged, LiveKind::Cancelled]);

    // Kept whatever becomes of the records.
    subject.settle().await;
    subject.forget_outgoing().await;
    let subject = subject.reopen().await;
    assert_eq!(timeline(&*subject).await.steps, steps);
    assert!(subject.store().timeline(id(2)).await.expect("read").is_none());
}

pub(super) async fn late_and_repeated_answers(subject: Box<dyn Subject>) {
    let order = fill(&*subject).await;
    // Late, so it changes nothing but what is known; the second is the same event again.
    for offset in [30, 31] {
        commit(&*subject, Change::note(order.clone(), event("e-late", offset), at(300))).await;
    }
    commit(&*subject, Change::note(order.clone(), event("e-1", 32), at(300))).await;
    let again = outstanding_request(&order).expect("a release is waited for");
    commit(&*subject, Change::resend(order.clone(), again, at(400))).await;
    let timeline = timeline(&*subject).await;
    assert_eq!(timeline.order, order);
    assert_eq!(timeline.steps.len(), 6);
    assert_eq!(timeline.steps[4].cause, event("e-late", 30));
    assert!(timeline.steps[4].note && timeline.steps[4].outgoing.is_empty());
    assert_eq!(timeline.steps[5].cause, StepCause::System);
    assert_eq!(timeline.steps[5].at, at(400));
    assert_eq!(timeline.steps[5].outgoing[0].event_type, "STOCK_RELEASE_REQUEST");
}

pub(super) async fn timelines_page_oldest_first(subject: Box<dyn Subject>) {
    fill(&*subject).await;
    commit(&*subject, insert(9)).await;
    let store = subject.store();
    let page = store.timelines(None, 2).await.expect("read");
    assert_eq!(page.iter().map(|t| t.order.id).collect::<Vec<_>>(), [id(1), id(7)]);
    assert_eq!(page[0].steps, timeline(&*subject).await.steps);
    let rest = store.timelines(Some(id(7)), 2).await.expect("read");
    assert_eq!(rest.iter().map(|t| (t.order.id, t.steps.len())).collect::<Vec<_>>(), [(id(9), 1)]);
    assert!(store.timelines(Some(id(9)), 2).await.expect("read").is_empty());
}
