//! Every command that the store uses is failed once and for longer: a commit is there as a whole or not at all, what may
//! be tried again is, and what may not is answered as not available.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_bus::PRODUCTS_GROUP;
use holdfast_contract::text::Note;
use holdfast_contract::{Partition, Topic};
use holdfast_servers::{Fault, Mongo, or_skip};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::{
    Advance, Inbox as _, Incarnation, Outbox as _, Outgoing, ParkCause, Position, Record, Seq, StoreError,
    ToPark, TopicPartition,
};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};

use super::instance::{Instance, Message, http};
use super::{Mongodb, fresh};
use crate::audit::audit;
use crate::decider::{Adjust, CommandError};
use crate::domain::{Decision, Desk, HttpReservation, HttpState, OrderRef};
use crate::store::{
    Catalogue, CommitError, IdempotencyRecord, ProductQuery, StockCommit, StockReads as _, StockWrites as _,
    StoredAnswer, Turns as _,
};
use crate::suite::sample::{
    at, decided, details, origin, product, product_id, request, reservation_id, taken,
};

const WRITE_CONCERN_TIMEOUT: i32 = 64;
const WRITE_CONFLICT: i32 = 112;
const NOT_WRITABLE_PRIMARY: i32 = 10_107;

/// The faults that may befall any command, once and lasting. What makes the driver look for its server again does not last:
/// that is an outage, which is tried below.
fn faults(command: &str) -> Vec<(String, Fault)> {
    let on = || Fault::on(&[command]);
    let mut passing = vec![
        ("hangs up", on().close_connection()),
        ("is no primary any more", on().error(NOT_WRITABLE_PRIMARY)),
        ("collides", on().error(WRITE_CONFLICT).labels(&[TRANSIENT_TRANSACTION_ERROR])),
    ];
    let mut lasting = vec![passing[2].clone()];
    if command == "commitTransaction" {
        let unknown = ("does not know", on().error(50).labels(&[UNKNOWN_TRANSACTION_COMMIT_RESULT]));
        let unsafe_yet = ("is not safe yet", on().write_concern_error(WRITE_CONCERN_TIMEOUT));
        passing.extend([unsafe_yet.clone(), unknown.clone()]);
        lasting.push(unsafe_yet);
        lasting.push(unknown);
    }
    let passing = passing.into_iter().map(|(what, fault)| (format!("{what} once"), fault.times(1)));
    let lasting = lasting.into_iter().map(|(what, fault)| (format!("{what} for good"), fault));
    passing.chain(lasting).map(|(what, fault)| (format!("{command} {what}"), fault)).collect()
}

/// What the rounds go on with.
struct Rounds {
    subject: Mongodb,
    desk: Desk,
    held: Vec<Arc<Decision>>,
}

const KINDS: [&str; 3] = ["a new product", "a batch that holds", "a batch that gives back"];

/// A commit of a round, with the desk as it is after it.
struct Next {
    commit: StockCommit,
    desk: Desk,
    held: Vec<Arc<Decision>>,
}

impl Rounds {
    fn next(&self, kind: usize, n: u16) -> Next {
        let (mut desk, mut held) = (self.desk.clone(), self.held.clone());
        let commit = match kind {
            0 => {
                let made = product(n as u8, details(&format!("Product {n}"), 2_999));
                desk.create(made.clone(), 100, &origin()).unwrap();
                let answer = StoredAnswer { status: 201, body: Bytes::from_static(b"{}") };
                let scope = IdempotencyScope::from_bytes([n as u8; 16]);
                let remembered = IdempotencyRecord { scope, fingerprint: [0; 32], answer, at: at() };
                StockCommit {
                    catalogue: vec![Catalogue::Created(made)],
                    idempotent: vec![remembered],
                    ..taken(&mut desk)
                }
            }
            1 => {
                let lines = [(n as u8, 1), (n as u8, 2)];
                let decision = decided(desk.reserve(&request(n, &lines), None, false, &origin()).unwrap());
                held.push(decision.clone());
                StockCommit {
                    decisions: vec![decision],
                    park: vec![to_park(n)],
                    http_reservations: vec![never_held(n)],
                    ..taken(&mut desk)
                }
            }
            _ => {
                let prior = held.pop().unwrap();
                let back = desk.release(reservation_id(n), false, Some(&prior), &origin()).unwrap();
                StockCommit { decisions: vec![decided(back)], ..taken(&mut desk) }
            }
        };
        let position = |next: u16| Position { incarnation: Incarnation(7), next: next.into() };
        let step = n * 3 + kind as u16;
        let advance = Advance {
            group: PRODUCTS_GROUP,
            partition: TopicPartition { topic: Topic::InventoryReserve, partition: Partition(0) },
            from: (step > 3).then(|| position(step)),
            to: position(step + 1),
        };
        let outgoing = vec![said(kind, n)];
        Next { commit: StockCommit { advances: vec![advance], outgoing, ..commit }, desk, held }
    }

    /// Whether everything of the commit is there; it must not be a part of it.
    async fn is_there(&self, kind: usize, n: u16, told: &str) -> bool {
        let store = &self.subject.products;
        let shelf = store.shelves(vec![product_id(n as u8)]).await.unwrap().pop();
        let version = shelf.as_ref().map_or(0, |shelf| shelf.level.version());
        let next = u64::from(n * 3 + kind as u16 + 1);
        let positions = store.positions(PRODUCTS_GROUP).await.unwrap();
        let ledger = store.movements(product_id(n as u8), None, 10).await.unwrap().len();
        let mut parts = vec![positions.iter().any(|(_, position)| position.next == next)];
        let outbox = store.collections.outbox.count_documents(mongodb::bson::doc! {}).await.unwrap();
        parts.push(outbox == next - 3);
        match kind {
            0 => {
                let scope = IdempotencyScope::from_bytes([n as u8; 16]);
                parts.extend([version == 1, ledger == 1, store.idempotent(scope).await.unwrap().is_some()]);
            }
            1 => {
                let decided = store.decisions(vec![reservation_id(n)]).await.unwrap();
                let till = store.http_reservation(OrderRef::new("till").unwrap(), product_id(n as u8)).await;
                parts.extend([version == 3, ledger == 3, decided.len() == 1, till.unwrap().is_some()]);
                parts.push(store.holds(product_id(n as u8), None, 10).await.unwrap().len() == 2);
                parts.push(store.parked(PRODUCTS_GROUP, None, 1_000).await.unwrap().len() == usize::from(n));
            }
            _ => {
                let decided = store.decisions(vec![reservation_id(n)]).await.unwrap().remove(0);
                parts.extend([version == 5, ledger == 5, decided.number == 2]);
                parts.push(store.holds(product_id(n as u8), None, 10).await.unwrap().is_empty());
            }
        }
        assert!(parts.iter().all(|part| *part == parts[0]), "{told}: there in part: {parts:?}");
        parts[0]
    }
}

fn said(kind: usize, n: u16) -> Outgoing {
    Outgoing {
        topic: Topic::InventoryReserved,
        key: Bytes::from_static(b"key"),
        payload: Bytes::from(format!("{{\"{n}\":{kind}}}")),
        at: at(),
        traceparent: None,
    }
}

fn never_held(n: u16) -> HttpReservation {
    let order = OrderRef::new("till").unwrap();
    HttpReservation { order, product: product_id(n as u8), state: HttpState::NeverHeld, at: at() }
}

fn to_park(n: u16) -> ToPark {
    let record = Record {
        seq: Seq(0),
        topic: Topic::InventoryReserve,
        partition: Partition(1),
        offset: n.into(),
        key: Bytes::from_static(b"key"),
        payload: Bytes::from_static(b"poison"),
        at: at(),
        traceparent: None,
    };
    let cause = ParkCause::Poison("unreadable".to_owned());
    ToPark { group: PRODUCTS_GROUP, record: Arc::new(record), order: None, cause, at: at() }
}

fn is_unavailable(error: &CommitError) -> bool {
    matches!(error, CommitError::Store(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn every_commit_is_whole_or_not_there() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let mut rounds = Rounds { subject: fresh(uri).await, desk: Desk::new(None), held: Vec::new() };
    let turn = rounds.subject.products.take_turn().await.unwrap();
    let mut n = 0;
    for command in ["insert", "update", "delete", "find", "findAndModify", "commitTransaction"] {
        for (what, fault) in faults(command) {
            n += 1;
            for (kind, name) in KINDS.into_iter().enumerate() {
                let next = rounds.next(kind, n);
                let commit = StockCommit { turn: Some(turn), ..next.commit };
                server.fail_command(&fault).await.unwrap();
                let done = rounds.subject.products.commit(commit.clone()).await;
                server.heal().await.unwrap();
                // A write that is safe, so that everything before it is seen.
                assert_eq!(rounds.subject.products.take_turn().await.unwrap(), turn);
                let told = format!("{what}, {name}: {done:?}");
                let there = rounds.is_there(kind, n, &told).await;
                match &done {
                    Ok(()) => assert!(there, "{told}"),
                    // After a fault that only the majority has, it may be there.
                    Err(error) => assert!(is_unavailable(error), "{told}"),
                }
                assert!(!what.ends_with("once") || done.is_ok(), "a single fault is got over: {told}");
                if !there {
                    let again = rounds.subject.products.commit(commit).await;
                    again.unwrap_or_else(|e| panic!("{told}, again: {e:?}"));
                    assert!(rounds.is_there(kind, n, &told).await, "{told}");
                }
                (rounds.desk, rounds.held) = (next.desk, next.held);
            }
        }
    }
    rounds.subject.relay().await;
    let sent: Vec<_> = rounds.subject.broker.lock().records.iter().map(|r| r.payload.clone()).collect();
    let made: Vec<_> =
        (1..=n).flat_map(|n| (0..KINDS.len()).map(move |kind| said(kind, n).payload)).collect();
    assert_eq!(sent, made, "every record once, in the order of the commits");
    assert!(audit(&rounds.subject.products).await.unwrap().is_clean());
}

#[tokio::test]
async fn reads_turns_and_marks_get_over_a_fault() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    let store = &subject.products;
    let mut desk = Desk::new(None);
    crate::suite::sample::put(&subject, &mut desk, product(1, details("Lamp", 1)), 10).await;
    for command in ["find", "aggregate", "update", "findAndModify", "delete"] {
        for fault in
            [Fault::on(&[command]).close_connection(), Fault::on(&[command]).error(NOT_WRITABLE_PRIMARY)]
        {
            let told = format!("{command}: {fault:?}");
            let once = fault.clone().times(1);
            server.fail_command(&once).await.unwrap();
            let searched = ProductQuery { search: Some("lamp".to_owned()), ..ProductQuery::default() };
            assert_eq!(store.list(searched).await.expect(&told).total, 1);
            server.fail_command(&once).await.unwrap();
            assert_eq!(store.movements(product_id(1), None, 5).await.expect(&told).len(), 1);
            server.fail_command(&once).await.unwrap();
            assert!(store.counters().await.expect(&told).last_movement.is_some());
            server.fail_command(&once).await.unwrap();
            let turn = store.take_turn().await.expect(&told);
            server.fail_command(&once).await.unwrap();
            assert!(!store.pass_turn(turn).await.expect(&told));
            server.heal().await.unwrap();

            let commit = StockCommit { outgoing: vec![said(0, 0)], ..StockCommit::default() };
            store.commit(commit).await.unwrap();
            let mut claim = loop {
                server.fail_command(&once).await.unwrap();
                if let Some(claim) = store.claim(0).await.expect(&told) {
                    break claim;
                }
            };
            server.fail_command(&once).await.unwrap();
            let unsent = claim.unsent(100).await.expect(&told);
            let places: Vec<_> =
                unsent.into_iter().map(|unsent| subject.broker.lock().publish(unsent)).collect();
            assert_eq!(places.len(), 1, "{told}");
            server.fail_command(&once).await.unwrap();
            claim.sent(&places).await.expect(&told);
            claim.sent(&places).await.expect(&told);
            server.heal().await.unwrap();
            claim.rewind();
            assert_eq!(claim.unsent(100).await.unwrap(), [], "{told}");
        }
    }
}

/// Through the decider, with messages and calls beside each other.
#[tokio::test]
async fn what_was_answered_is_there_and_what_was_not_is_not_done_twice() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    let instance = Instance::start(uri, &subject.database, 0).await;
    for n in 1..=3 {
        instance.stock(n, 1_000).await;
    }
    let (mut n, mut adjusted) = (0, 0);
    for command in ["insert", "update", "delete", "find", "findAndModify", "commitTransaction", "aggregate"] {
        for (told, fault) in faults(command) {
            n += 10;
            let messages = [
                Message::Reserve(n, vec![(1, 1), (2, 2)]),
                Message::Reserve(n + 1, vec![(3, 1)]),
                Message::Release(n),
                Message::Release(if n > 10 { n - 9 } else { n + 2 }),
            ];
            let name = format!("till-{n}");
            server.fail_command(&fault).await.unwrap();
            let (records, advances) = instance.batch(&messages);
            let adjust = Adjust { product: product_id(2), delta: 1, reason: Note::new("found one").unwrap() };
            let (batch, reserved, adjust) = tokio::join!(
                instance.decider.batch(records.clone(), advances.clone()),
                instance.decider.reserve(http(1, &name, 1)),
                instance.decider.adjust(adjust, None),
            );
            server.heal().await.unwrap();
            if let Err(error) = batch {
                assert!(error.is_transient(), "{told}: {error:?}");
                match instance.decider.batch(records, advances).await {
                    Ok(()) | Err(StoreError::StaleWorker { .. }) => {}
                    Err(error) => panic!("{told}, again: {error:?}"),
                }
            }
            let again = instance.decider.reserve(http(1, &name, 1)).await.expect(&told);
            match reserved {
                Ok(answer) => {
                    assert!(again.repeated && again.new_stock == answer.new_stock, "{told}");
                }
                Err(error) => assert!(matches!(error, CommandError::Unavailable(_)), "{told}: {error:?}"),
            }
            match adjust {
                Ok(_) => adjusted += 1,
                Err(error) => assert!(matches!(error, CommandError::Unavailable(_)), "{told}: {error:?}"),
            }
            let decisions = subject.products.decisions(vec![reservation_id(n), reservation_id(n + 1)]);
            assert_eq!(decisions.await.unwrap().len(), 2, "{told}");
            let report = audit(&subject.products).await.unwrap();
            assert!(report.is_clean(), "{told}: {:?}", report.findings);
        }
    }
    let on_hand = subject.products.shelves(vec![product_id(2)]).await.unwrap()[0].level.on_hand();
    assert!(on_hand >= 1_000 + adjusted, "an adjustment that was answered is there");
    instance.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_and_comes_back() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    let instance = Instance::start(uri, &subject.database, 0).await;
    instance.stock(1, 10).await;
    server.kill().await.unwrap();
    let away = instance.decider.reserve(http(1, "till-1", 1)).await;
    assert!(matches!(away, Err(CommandError::Unavailable(_))), "{away:?}");
    assert!(subject.products.counters().await.unwrap_err().is_transient());
    server.restart().await.unwrap();
    instance.decider.reserve(http(1, "till-2", 1)).await.unwrap();
    instance.handle(&[Message::Reserve(1, vec![(1, 1)])]).await;
    assert!(audit(&subject.products).await.unwrap().is_clean());
    instance.stop().await;
}
