//! Every command that the store uses is failed once and for longer: a commit is there as a whole or not at all, what may
//! be tried again is, and what may not is answered as not available.

use holdfast_servers::{Fault, Mongo, or_skip};
use holdfast_storage::{Claim as _, StoreError};
use mongodb::bson::doc;
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};

use super::{Mongodb, fresh};
use crate::store::{Commit, CommitError, Idempotency as _, ListQuery, OrderReads as _, OrderWrites as _};
use crate::suite::given::{GROUP, advance, answer, copy, id, insert, reserved, to_park, update};

const WRITE_CONFLICT: i32 = 112;
const NOT_WRITABLE_PRIMARY: i32 = 10_107;
/// Not "is shutting down", upon which the driver looks for another server for seconds.
const WRITE_CONCERN_TIMEOUT: i32 = 64;

/// Whether everything of a commit is there; it must not be a part of it.
struct Seen {
    name: &'static str,
    parts: Vec<bool>,
}

impl Seen {
    fn whole(&self) -> bool {
        assert!(
            self.parts.iter().all(|part| *part == self.parts[0]),
            "{} is there in part: {:?}",
            self.name,
            self.parts
        );
        self.parts[0]
    }
}

/// One round: a commit of every kind, numbered so that rounds do not meet.
struct Round {
    n: u32,
}

const KINDS: [&str; 4] = ["new order", "change", "with an answer to remember", "a consumer's batch"];

impl Round {
    fn first(&self) -> u32 {
        self.n * 10
    }

    async fn commit(&self, subject: &Mongodb, kind: usize) -> Commit {
        let first = self.first();
        let current = async |n| subject.orders.get(id(n)).await.unwrap().unwrap();
        match kind {
            0 => Commit::of(insert(first)),
            1 => Commit::of(update(&*current(first).await, reserved())),
            2 => Commit { idempotency: Some(answer(self.n as u8, 5)), ..Commit::of(insert(first + 1)) },
            _ => {
                let from = (self.n > 0).then_some(u64::from(self.n));
                Commit {
                    changes: vec![update(&*current(first + 1).await, reserved()), insert(first + 2)],
                    advances: vec![advance(from, u64::from(self.n) + 1)],
                    park: vec![to_park(u64::from(self.n))],
                    copies: vec![copy()],
                    ..Commit::default()
                }
            }
        }
    }

    async fn seen(&self, subject: &Mongodb, kind: usize) -> Seen {
        let first = self.first();
        let version = async |n| subject.orders.get(id(n)).await.unwrap().map_or(0, |order| order.version);
        let parts = match kind {
            0 => vec![version(first).await >= 1],
            1 => vec![version(first).await == 2],
            2 => {
                let kept = subject.orders.idempotent(&[self.n as u8; 16]).await.unwrap();
                vec![version(first + 1).await >= 1, kept.is_some()]
            }
            _ => {
                let inbox = subject.orders.inbox();
                let positions = inbox.positions(GROUP).await.unwrap();
                let parked = inbox.parked(GROUP, None, 1_000).await.unwrap();
                let copies = subject.orders.collections.copies.count_documents(doc! {});
                vec![
                    version(first + 1).await == 2,
                    version(first + 2).await == 1,
                    positions.iter().any(|(_, position)| position.next > u64::from(self.n)),
                    parked.len() > self.n as usize,
                    copies.await.unwrap() > u64::from(self.n),
                ]
            }
        };
        Seen { name: KINDS[kind], parts }
    }
}

/// What was written before is on the majority, too, and seen by all who read: a write that is acknowledged says so.
async fn caught_up(subject: &Mongodb) {
    let counters = &subject.orders.collections.counters;
    let count = doc! { "$inc": { "last": 1_i64 } };
    counters.update_one(doc! { "_id": "test" }, count).upsert(true).await.unwrap();
}

fn is_unavailable(error: &CommitError) -> bool {
    matches!(error, CommitError::Store(StoreError::Unavailable(_)))
}

/// The faults that may befall any command, with whether the store or its driver gets over a single one.
fn faults(command: &str) -> Vec<(&'static str, Fault, bool)> {
    let on = || Fault::on(&[command]);
    let transaction_end = command == "commitTransaction";
    let mut faults = vec![
        ("hangs up", on().close_connection(), true),
        ("is no primary any more", on().error(NOT_WRITABLE_PRIMARY), true),
    ];
    if transaction_end {
        faults.push(("collides", on().error(WRITE_CONFLICT).labels(&[TRANSIENT_TRANSACTION_ERROR]), true));
        faults.push(("does not know", on().error(50).labels(&[UNKNOWN_TRANSACTION_COMMIT_RESULT]), true));
        faults.push(("is not safe yet", on().write_concern_error(WRITE_CONCERN_TIMEOUT), true));
    } else {
        faults.push(("collides", on().error(WRITE_CONFLICT).labels(&[TRANSIENT_TRANSACTION_ERROR]), false));
    }
    faults
}

#[tokio::test]
async fn every_commit_is_whole_or_not_there() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    let mut n = 0;
    for command in ["insert", "update", "findAndModify", "find", "commitTransaction"] {
        for (what, fault, survives) in faults(command) {
            for once in [true, false] {
                let round = Round { n };
                n += 1;
                for (kind, name) in KINDS.iter().enumerate() {
                    let commit = round.commit(&subject, kind).await;
                    let again = round.commit(&subject, kind).await;
                    let fault = if once { fault.clone().times(1) } else { fault.clone() };
                    server.fail_command(&fault).await.unwrap();
                    let done = subject.orders.commit(commit).await;
                    server.heal().await.unwrap();
                    caught_up(&subject).await;
                    let told = format!("{command} {what}, once: {once}, {name}: {done:?}");
                    let there = round.seen(&subject, kind).await.whole();
                    match &done {
                        Ok(_) => assert!(there, "{told}"),
                        // After a fault that only the majority has, it may be there.
                        Err(error) => assert!(is_unavailable(error), "{told}"),
                    }
                    // A transaction collides; a single write outside of one has no such answer in earnest.
                    let in_transaction = kind >= 2;
                    if once && (survives || in_transaction) {
                        assert!(done.is_ok(), "{told}");
                    }
                    if !there {
                        subject.orders.commit(again).await.unwrap_or_else(|e| panic!("{told}, again: {e:?}"));
                        assert!(round.seen(&subject, kind).await.whole(), "{told}");
                    }
                }
            }
        }
    }
    subject.relay().await;
    let orders = subject.orders.scan(None, 1_000).await.unwrap().len();
    assert_eq!(orders, 3 * n as usize);
    // Three records of each new order, one of each change; a copy in every round.
    assert_eq!(subject.broker.lock().records.len(), n as usize * (3 * 3 + 2 + 1));
}

#[tokio::test]
async fn reads_and_marks_get_over_a_fault() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    let mut made = 0;
    for command in ["find", "aggregate", "update", "findAndModify"] {
        for (what, fault, survives) in faults(command) {
            if !survives {
                continue;
            }
            subject.orders.commit(Commit::of(insert(made))).await.unwrap();
            made += 1;
            let told = format!("{command} {what}");
            let once = fault.clone().times(1);
            server.fail_command(&once).await.unwrap();
            let page = subject.orders.list(&ListQuery::default()).await;
            assert_eq!(page.expect(&told).total, made as usize);
            server.fail_command(&once).await.unwrap();
            assert!(subject.orders.timeline(id(0)).await.expect(&told).is_some());
            server.heal().await.unwrap();

            let mut claims = Vec::new();
            for shard in 0..super::SHARDS {
                server.fail_command(&once).await.unwrap();
                claims
                    .push(subject.orders.claim_shard(shard).await.expect(&told).expect("nobody else relays"));
            }
            let mut sent = 0;
            for claim in &mut claims {
                server.fail_command(&once).await.unwrap();
                let unsent = claim.unsent(100).await.expect(&told);
                let places: Vec<_> =
                    unsent.into_iter().map(|unsent| subject.broker.lock().publish(unsent)).collect();
                if places.is_empty() {
                    continue;
                }
                // Several updates by one command are not the driver's to repeat: the relay does.
                server.fail_command(&fault).await.unwrap();
                let failed = claim.sent(&places).await;
                server.heal().await.unwrap();
                if let Err(error) = failed {
                    assert!(error.is_transient(), "{told}: {error}");
                    claim.sent(&places).await.expect(&told);
                }
                sent += places.len();
            }
            server.heal().await.unwrap();
            assert_eq!(sent, 3, "{told}");
            for claim in claims {
                claim.claim.give_back().await;
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_and_comes_back() {
    let Some(mut server) = or_skip(Mongo::start().await) else { return };
    let uri: &'static str = Box::leak(server.uri().to_owned().into_boxed_str());
    let subject = fresh(uri).await;
    server.kill().await.unwrap();
    let error = subject.orders.commit(Commit::of(insert(1))).await.unwrap_err();
    assert!(is_unavailable(&error), "{error:?}");
    let error = subject.orders.get(id(1)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.restart().await.unwrap();
    subject.orders.commit(Commit::of(insert(2))).await.unwrap();
    assert!(subject.orders.get(id(1)).await.unwrap().is_none());
}
