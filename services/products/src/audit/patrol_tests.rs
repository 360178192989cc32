//! The audit of a running service finds what is planted, each kind once, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::event::{Body, Event, HeldReservation, HoldsStated};
use holdfast_contract::{LineId, LinesDigest, ProductId, ReservationId, Topic};
use holdfast_service::ManualClock;
use holdfast_service::audit::{AuditReport, Board, Patrol, Status};
use holdfast_storage::{Seq, StoreError};
use tempfile::TempDir;

use super::{PARTS, StockPatrol};
use crate::domain::{Desk, Outcome};
use crate::sqlite::SqliteProducts;
use crate::store::{Catalogue, StockCommit, StockWrites};
use crate::suite::sample::{decided, details, origin, product, product_id, request, reservation_id, taken};

struct Audited {
    store: SqliteProducts,
    desk: Desk,
    board: Board,
    patrol: StockPatrol,
    _folder: TempDir,
}

impl Audited {
    fn new(every: Duration) -> Self {
        let folder = TempDir::new().unwrap();
        let store = SqliteProducts::open(folder.path().join("products.db")).unwrap();
        let clock = Arc::new(ManualClock::default());
        let board = Board::new("products", Some(every), PARTS, clock.clone());
        let patrol = StockPatrol::new(Arc::new(store.clone()), clock, board.clone(), every);
        Self { store, desk: Desk::new(None), board, patrol, _folder: folder }
    }

    async fn put(&mut self, n: u8, on_hand: u64) {
        let product = product(n, details("Lamp", 1));
        self.desk.create(product.clone(), on_hand, &origin()).unwrap();
        let commit = StockCommit { catalogue: vec![Catalogue::Created(product)], ..taken(&mut self.desk) };
        self.store.commit(commit).await.unwrap();
    }

    async fn hold(&mut self, n: u16, lines: &[(u8, u32)]) {
        let held = decided(self.desk.reserve(&request(n, lines), None, false, &origin()).unwrap());
        let commit = StockCommit { decisions: vec![held], ..taken(&mut self.desk) };
        self.store.commit(commit).await.unwrap();
    }

    async fn run(&self, sql: &'static str) {
        let done =
            self.store.database().write(move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?));
        done.await.unwrap();
    }

    /// Steps until one more round is finished.
    async fn round(&mut self) -> AuditReport {
        let before = self.board.report().parts[0].rounds;
        for _ in 0..10_000 {
            self.patrol.step().await.unwrap();
            if self.board.report().parts[0].rounds > before {
                return self.board.report();
            }
        }
        panic!("the round does not end: {:?}", self.board.report());
    }

    async fn stated(&self) -> Vec<HoldsStated> {
        let records = self.store.journal().read(Seq(0), 100_000).await.unwrap();
        let stated = records.iter().filter(|record| record.topic == Topic::InventoryAudit).map(|record| {
            match Event::decode(record.topic, &record.payload).unwrap().unwrap().body {
                Body::HoldsStated(stated) => stated,
                other => panic!("{other:?}"),
            }
        });
        stated.collect()
    }
}

fn kinds(report: &AuditReport) -> Vec<&'static str> {
    let mut kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

/// Two products; reservation 1 holds 4 of the first by movement 3, 2 holds 1 of each by 4 and 5.
async fn small(every: Duration) -> Audited {
    let mut audited = Audited::new(every);
    audited.put(1, 10).await;
    audited.put(2, 10).await;
    audited.hold(1, &[(1, 4)]).await;
    audited.hold(2, &[(1, 1), (2, 1)]).await;
    audited
}

#[tokio::test]
async fn invariant_7_each_kind_of_damage_is_found_while_it_runs() {
    let lamp = ProductId::from_bytes([1; 12]).to_string();
    for (kind, sql) in [
        ("balances", "UPDATE stock SET on_hand = on_hand + 1, available = available + 1 WHERE product = x'010101010101010101010101'"),
        ("balances", "DELETE FROM stock WHERE product = x'010101010101010101010101'"),
        ("last_movement", "UPDATE stock SET last_movement = 3 WHERE product = x'010101010101010101010101'"),
        ("ledger", "DELETE FROM movements WHERE id = 3"),
        ("ledger", "UPDATE movements SET kind = 4 WHERE id = 3"),
        ("ledger", "UPDATE movements SET previous = NULL WHERE id = 4"),
        ("ledger", "UPDATE movements SET reserved_delta = 3 WHERE id = 3"),
        ("holds", "UPDATE holds SET quantity = 5 WHERE id = 3"),
        // The sum stays right.
        ("holds", "UPDATE holds SET quantity = quantity + CASE id WHEN 3 THEN -1 ELSE 1 END WHERE product = x'010101010101010101010101'"),
        ("decision_without_hold", "DELETE FROM holds WHERE id = 3"),
        ("hold_without_decision", "DELETE FROM reservations WHERE id = (SELECT min(id) FROM reservations)"),
        ("hold_without_decision", "UPDATE reservations SET state = 3, movements = 0, first_movement = NULL WHERE id = (SELECT min(id) FROM reservations)"),
        // Held twice, and everything adds up.
        (
            "hold_without_decision",
            "INSERT INTO movements SELECT 6, 4, product, product_name, reservation, http_order, line, kind, 0, 4, 6, 10, 9, cause, at
               FROM movements WHERE id = 3;
             INSERT INTO holds SELECT product, 6, reservation, http_order, line, quantity, consumed, at FROM holds WHERE id = 3;
             UPDATE stock SET reserved = 9, available = 1, last_movement = 6 WHERE product = x'010101010101010101010101'",
        ),
        ("no_product", "DELETE FROM products WHERE id = x'010101010101010101010101'; DELETE FROM stock WHERE product = x'010101010101010101010101'"),
        ("unreadable", "UPDATE movements SET cause = 'nonsense' WHERE id = 3"),
    ] {
        let mut audited = small(Duration::ZERO).await;
        let report = audited.round().await;
        assert_eq!((report.status, report.total_findings), (Status::Clean, 0), "{sql}: {report:?}");
        audited.run(sql).await;
        let report = audited.round().await;
        assert_eq!(report.status, Status::Mismatch, "{sql}");
        assert!(kinds(&report).contains(&kind), "{sql}: {report:?}");
        let named = report.findings.iter().any(|f| f.product.as_ref() == Some(&lamp) || f.message.contains("mov-"));
        assert!(named, "{sql}: {report:?}");
    }
}

/// Without a new round: what moves is looked at all the time.
#[tokio::test]
async fn what_moves_is_proved_at_once() {
    let mut audited = small(Duration::from_secs(3600)).await;
    audited.round().await;
    audited
        .run("UPDATE stock SET on_hand = 11, available = 6 WHERE product = x'010101010101010101010101'")
        .await;
    for n in 3..6 {
        audited.patrol.step().await.unwrap();
        assert_eq!(audited.board.report().total_findings, 0, "nothing has moved");
        audited.hold(n, &[(2, 1)]).await;
    }
    audited.run("UPDATE stock SET version = version + 1 WHERE product = x'010101010101010101010101'").await;
    audited.run(
        "INSERT INTO movements SELECT id + 1, 4, x'010101010101010101010101', product_name, NULL, NULL, NULL, 6, 1, 0, NULL,
                11, 5, 'adjusted:found', at FROM movements WHERE id = (SELECT max(id) FROM movements);
         UPDATE stock SET last_movement = (SELECT max(id) FROM movements) WHERE product = x'010101010101010101010101'",
    )
    .await;
    // The movement is right, so what is stored is right by now.
    for _ in 0..3 {
        audited.patrol.step().await.unwrap();
    }
    assert_eq!(audited.board.report().total_findings, 0, "{:?}", audited.board.report());
    audited
        .run(
            "INSERT INTO movements SELECT id + 1, id, product, product_name, NULL, NULL, NULL, 6, 1, 0, NULL,
                13, 5, 'adjusted:found', at FROM movements WHERE id = (SELECT max(id) FROM movements)",
        )
        .await;
    for _ in 0..3 {
        audited.patrol.step().await.unwrap();
    }
    assert!(kinds(&audited.board.report()).contains(&"ledger"), "{:?}", audited.board.report());
}

#[tokio::test]
async fn what_was_mended_is_clean_after_a_round() {
    let mut audited = small(Duration::ZERO).await;
    audited
        .run("UPDATE stock SET on_hand = 11, available = 6 WHERE product = x'010101010101010101010101'")
        .await;
    let report = audited.round().await;
    assert_eq!((kinds(&report), report.total_findings), (vec!["balances"], 1), "{report:?}");
    audited
        .run("UPDATE stock SET on_hand = 10, available = 5 WHERE product = x'010101010101010101010101'")
        .await;
    assert_eq!(audited.round().await.status, Status::Clean);
}

/// Stock moves between every two steps: products appear, reservations come and go, more than fit into one page of
/// anything.
#[tokio::test]
async fn no_alarm_while_everything_moves() {
    let mut audited = Audited::new(Duration::ZERO);
    for n in 1..=40 {
        audited.put(n, 1_000_000).await;
    }
    let mut held: Vec<Arc<crate::domain::Decision>> = Vec::new();
    let mut dice = 7u64;
    for n in 1..=900u16 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let roll = dice >> 33;
        let lines = [(1 + (roll % 40) as u8, 1 + (roll % 7) as u32), (1 + (roll / 64 % 3) as u8, 2)];
        let decision = decided(audited.desk.reserve(&request(n, &lines), None, false, &origin()).unwrap());
        let mut decisions = vec![decision.clone()];
        held.push(decision);
        if !roll.is_multiple_of(3) {
            let prior = held.swap_remove(roll as usize % held.len());
            let outcome = match roll % 3 {
                1 => audited.desk.release(prior.id, roll.is_multiple_of(5), Some(&prior), &origin()).unwrap(),
                _ => audited.desk.fulfil(prior.id, Some(&prior), &origin()).unwrap().unwrap(),
            };
            if let Outcome::Decided(decision) = outcome {
                decisions.push(decision);
            }
        }
        let commit = StockCommit { decisions, ..taken(&mut audited.desk) };
        audited.store.commit(commit).await.unwrap();
        if n % 100 == 0 {
            audited.put(40 + (n / 100) as u8, 5).await;
        }
        audited.patrol.step().await.unwrap();
        let report = audited.board.report();
        assert_eq!(report.total_findings, 0, "{report:?}");
    }
    let report = audited.round().await;
    assert!(report.parts[0].rounds > 3, "{report:?}");
    assert_eq!(report.status, Status::Clean);
}

#[tokio::test]
async fn what_is_held_is_stated_stretch_by_stretch() {
    let mut audited = Audited::new(Duration::ZERO);
    audited.put(1, 1_000_000).await;
    for n in 1..=600 {
        audited.hold(n, &[(1, n.into()), (1, 1)]).await;
    }
    audited.round().await;
    let stated = audited.stated().await;
    let mut after: Option<ReservationId> = None;
    let mut held: Vec<HeldReservation> = Vec::new();
    for one in &stated {
        assert_eq!((one.after, one.movement), (after, 1_201));
        after = one.through;
        held.extend(&one.held);
    }
    assert_eq!((stated.len(), after), (2, None), "the last one has no end");
    assert_eq!(held.len(), 600);
    for (entry, n) in held.into_iter().zip(1u16..) {
        let line = |line, quantity| (LineId(line), product_id(1), quantity);
        assert_eq!((entry.reservation_id, entry.decision), (reservation_id(n), 1));
        assert_eq!(entry.lines, LinesDigest::of([line(1, n.into()), line(2, 1)]));
    }
}
