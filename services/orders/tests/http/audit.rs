//! The background audit of Orders: silent about what is right, also while messages are on their way, and loud about what
//! is not.

use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::event::{Body, Event, HeldReservation, HoldsStated, ReleaseOutcome};
use holdfast_contract::{LineId, LinesDigest, OrderId, ReservationId, Topic};
use holdfast_orders::audit::{OrdersPatrol, PARTS};
use holdfast_service::Clock;
use holdfast_service::audit::{AuditReport, Board, Patrol, Status};
use holdfast_storage::StoreError;
use serde_json::Value;

use super::support::{PRODUCT, World, id, rejected, released, reserved};

struct Audited {
    world: World,
    board: Board,
    patrol: OrdersPatrol,
}

/// So long that no second round begins by itself.
const LONG: Duration = Duration::from_secs(3600);

impl Audited {
    async fn new(every: Duration) -> Self {
        Self::of(World::new().await, every)
    }

    fn of(world: World, every: Duration) -> Self {
        let board = Board::new("orders", Some(every), PARTS, Arc::new(world.clock.clone()));
        let (store, inbox) = (world.store.clone(), world.store.database().clone());
        let patrol = OrdersPatrol::new(store, inbox, world.bus.clone(), board.clone(), every);
        Self { world, board, patrol }
    }

    /// An answer as Products gives it: of this decision, with movements that have this number.
    async fn answered(&self, order: &Value, decision: u64, movement: u64, mut body: Body) {
        match &mut body {
            Body::StockReserved(body) => {
                body.movements.iter_mut().for_each(|m| m.movement_id = format!("mov-{movement}"));
            }
            Body::StockReleased(body) => {
                body.movements.iter_mut().for_each(|m| m.movement_id = format!("mov-{movement}"));
            }
            _ => {}
        }
        let event = Event::about_order(id(order), decision, self.world.clock.now(), body);
        let topic = event.body.topic();
        self.world.publish_raw(topic, id(order).to_string(), event.encode()).await;
    }

    async fn state(&self, movement: u64, held: Vec<HeldReservation>) {
        self.state_of(HoldsStated { movement, after: None, through: None, held }).await;
    }

    async fn state_of(&self, mut stated: HoldsStated) {
        stated.held.sort_by_key(|held| held.reservation_id);
        let event = Event::about_holds(self.world.clock.now(), stated);
        self.world.publish_raw(Topic::InventoryAudit, "holds".to_owned(), event.encode()).await;
    }

    /// Steps until the round over what is held is finished.
    async fn compared(&mut self) -> AuditReport {
        let before = self.board.report().parts[1].rounds;
        for _ in 0..50 {
            self.step().await;
            if self.board.report().parts[1].rounds > before {
                return self.board.report();
            }
        }
        panic!("never compared: {:?}", self.board.report());
    }

    async fn step(&mut self) {
        // Statements are looked for every other second. Only this moves the timers: the store's answers come in their own time.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        tokio::time::resume();
        self.patrol.step().await.unwrap();
    }

    async fn run(&self, sql: &'static str) {
        let done = self
            .world
            .store
            .database()
            .write(move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?));
        done.await.unwrap();
    }
}

fn held(order: &Value, decision: u32, quantity: i64) -> HeldReservation {
    let lines = LinesDigest::of([(LineId(1), PRODUCT.parse().unwrap(), quantity)]);
    HeldReservation { reservation_id: ReservationId::from(id(order)), decision, lines }
}

fn kinds(report: &AuditReport) -> Vec<(&'static str, Option<OrderId>)> {
    report.findings.iter().map(|f| (f.kind, f.order.as_ref().map(|id| id.parse().unwrap()))).collect()
}

#[tokio::test]
async fn orders_that_are_what_they_were_told_are_clean() {
    let mut audited = Audited::new(LONG).await;
    let (reserved_one, waiting, cancelled, refused) = {
        let world = &audited.world;
        (world.placed().await, world.placed().await, world.placed().await, world.placed().await)
    };
    audited.answered(&reserved_one, 1, 4, reserved(&reserved_one)).await;
    audited.answered(&refused, 1, 0, rejected(&refused)).await;
    audited.world.take().await;
    assert_eq!(audited.world.set_status(&cancelled, 5).await.status, 200);
    // The one that waits was decided; its answer is not read yet.
    audited.answered(&waiting, 1, 5, reserved(&waiting)).await;
    audited.state(5, vec![held(&reserved_one, 1, 2), held(&waiting, 1, 2)]).await;
    let report = audited.compared().await;
    assert_eq!((report.status, report.total_findings), (Status::Clean, 0), "{report:?}");
    assert_eq!(report.parts[0].checked["orders"], 4);
    assert_eq!(report.parts[1].checked["reservations"], 2);
    assert_eq!(report.parts[1].position.as_deref(), Some("mov-5"));
}

#[tokio::test]
async fn a_statement_that_is_older_than_what_an_order_knows_proves_nothing() {
    let mut audited = Audited::new(LONG).await;
    let (early, late) = (audited.world.placed().await, audited.world.placed().await);
    audited.answered(&early, 1, 3, reserved(&early)).await;
    audited.answered(&late, 1, 9, reserved(&late)).await;
    audited.world.take().await;
    assert_eq!(audited.world.set_status(&early, 5).await.status, 200);
    audited.answered(&early, 2, 10, released(&early, ReleaseOutcome::Released)).await;
    audited.world.take().await;
    // Made after movement 4: `early` held, nobody knew of `late`.
    audited.state(4, vec![held(&early, 1, 2)]).await;
    let report = audited.compared().await;
    assert_eq!((report.status, report.total_findings), (Status::Clean, 0), "{report:?}");
    audited.world.clock.advance(Duration::from_secs(1));
    // A later one that still says so is wrong about both.
    audited.state(10, vec![held(&early, 2, 2)]).await;
    let report = audited.compared().await;
    let mut found = kinds(&report);
    found.sort_unstable();
    assert_eq!(found, [("holds", Some(id(&early))), ("holds", Some(id(&late)))]);
    assert_eq!(report.status, Status::Mismatch);
    // And when that is over, so is the alarm.
    audited.state(11, vec![held(&late, 1, 2)]).await;
    assert_eq!(audited.compared().await.status, Status::Clean);
}

#[tokio::test]
async fn what_is_held_for_nobody_or_for_other_lines_is_found() {
    let mut audited = Audited::new(LONG).await;
    let order = audited.world.placed().await;
    audited.answered(&order, 1, 3, reserved(&order)).await;
    audited.world.take().await;
    let stranger =
        serde_json::json!({"_id": OrderId::new(holdfast_contract::Key::compose(1, 1, 1)).to_string()});
    audited.state(3, vec![held(&stranger, 1, 2), held(&order, 1, 3)]).await;
    let mut found = kinds(&audited.compared().await);
    found.sort_unstable();
    assert_eq!(found, [("hold_without_order", Some(id(&stranger))), ("holds", Some(id(&order)))]);
}

/// Somebody else has released the stock, and the answer to that is still to be read: the order is cancelled by it.
#[tokio::test]
async fn an_order_is_suspected_until_it_was_told_everything() {
    let mut audited = Audited::new(LONG).await;
    let order = audited.world.placed().await;
    audited.answered(&order, 1, 3, reserved(&order)).await;
    audited.world.take().await;
    audited.answered(&order, 2, 7, released(&order, ReleaseOutcome::Released)).await;
    audited.state(7, vec![]).await;
    for _ in 0..5 {
        audited.step().await;
    }
    let report = audited.board.report();
    assert_eq!((report.parts[1].rounds, report.total_findings), (0, 0), "the round waits: {report:?}");
    audited.world.take().await;
    assert_eq!(audited.compared().await.status, Status::Clean);
}

#[tokio::test]
async fn stretches_are_compared_each_with_its_own_orders() {
    let mut audited = Audited::new(LONG).await;
    let mut orders = Vec::new();
    for number in 1..=5 {
        let order = audited.world.placed().await;
        audited.answered(&order, 1, number, reserved(&order)).await;
        orders.push(order);
    }
    audited.world.take().await;
    let (first, rest) = orders.split_at(3);
    let through = Some(ReservationId::from(id(&orders[2])));
    let of = |orders: &[Value]| orders.iter().map(|order| held(order, 1, 2)).collect::<Vec<_>>();
    audited.state_of(HoldsStated { movement: 5, after: None, through, held: of(first) }).await;
    audited.state_of(HoldsStated { movement: 5, after: through, through: None, held: of(&rest[1..]) }).await;
    let report = audited.compared().await;
    assert_eq!(kinds(&report), [("holds", Some(id(&orders[3])))]);
    assert_eq!(report.parts[1].checked["orders"], 5);
}

/// One that begins after the first statements of a round were made looks back for them.
#[tokio::test]
async fn the_newest_round_is_found_at_the_start() {
    let audited = Audited::new(LONG).await;
    let order = audited.world.placed().await;
    let stranger =
        serde_json::json!({"_id": OrderId::new(holdfast_contract::Key::compose(1, 1, 1)).to_string()});
    audited.state(1, vec![held(&stranger, 1, 1)]).await;
    let through = Some(ReservationId::from(id(&order)));
    audited.state_of(HoldsStated { movement: 2, after: None, through, held: vec![] }).await;
    audited.state_of(HoldsStated { movement: 2, after: through, through: None, held: vec![] }).await;
    let mut late = Audited::of(audited.world, LONG);
    let report = late.compared().await;
    assert_eq!((report.status, report.parts[1].checked["statements"]), (Status::Clean, 2), "{report:?}");
}

#[tokio::test]
async fn orders_that_are_not_what_they_were_told_are_found() {
    for (sql, kind) in [
        // Its history is that of an order that waits.
        (
            "UPDATE orders SET history = (SELECT history FROM orders WHERE id = (SELECT max(id) FROM orders))
             WHERE id = (SELECT min(id) FROM orders)",
            "answers",
        ),
        ("UPDATE orders SET history = x'' WHERE id = (SELECT min(id) FROM orders)", "answers"),
        ("UPDATE orders SET history = x'05' WHERE id = (SELECT min(id) FROM orders)", "unreadable"),
        ("UPDATE orders SET body = x'00' WHERE id = (SELECT min(id) FROM orders)", "unreadable"),
    ] {
        let mut audited = Audited::new(Duration::ZERO).await;
        let (order, _waits) = (audited.world.placed().await, audited.world.placed().await);
        audited.answered(&order, 1, 3, reserved(&order)).await;
        audited.world.take().await;
        audited.step().await;
        assert_eq!(audited.board.report().parts[0].status, Status::Clean, "{sql}");
        // Off the memory of what is not indexed yet.
        audited.world.store.flush_index().await.unwrap();
        audited.run(sql).await;
        audited.step().await;
        let report = audited.board.report();
        assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [kind], "{sql}: {report:?}");
    }
}

/// Products was put back to an older state: at first a statement may only be late, later ones are not.
#[tokio::test]
async fn what_products_has_forgotten_is_found_when_it_stays_forgotten() {
    let mut audited = Audited::new(LONG).await;
    let order = audited.world.placed().await;
    audited.answered(&order, 1, 8, reserved(&order)).await;
    audited.world.take().await;
    for (round, wrong) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        audited.world.clock.advance(Duration::from_secs(1));
        audited.state(7, vec![]).await;
        let report = audited.compared().await;
        assert_eq!(report.total_findings, wrong, "round {round}: {report:?}");
    }
    assert_eq!(kinds(&audited.board.report()), [("forgotten", Some(id(&order)))]);
}

/// Copies of old statements are passed over, and a round with a hole proves nothing.
#[tokio::test]
async fn copies_and_holes_are_noticed() {
    let mut audited = Audited::new(LONG).await;
    let order = audited.world.placed().await;
    audited.answered(&order, 1, 3, reserved(&order)).await;
    audited.world.take().await;
    let old = Event::about_holds(
        audited.world.clock.now(),
        HoldsStated { movement: 9, after: None, through: None, held: vec![] },
    );
    audited.world.clock.advance(Duration::from_secs(1));
    audited.state(3, vec![held(&order, 1, 2)]).await;
    assert_eq!(audited.compared().await.status, Status::Clean);
    audited.world.publish_raw(Topic::InventoryAudit, "holds".to_owned(), old.encode()).await;
    let through = Some(ReservationId::from(id(&order)));
    let later = Some(ReservationId::new(holdfast_contract::Key::compose(2_000_000_000_000, 0, 0)));
    audited.state_of(HoldsStated { movement: 3, after: None, through, held: vec![held(&order, 1, 2)] }).await;
    audited.state_of(HoldsStated { movement: 3, after: later, through: None, held: vec![] }).await;
    for _ in 0..10 {
        audited.step().await;
    }
    let report = audited.board.report();
    assert_eq!((report.parts[1].rounds, report.total_findings), (1, 0), "{report:?}");
}
