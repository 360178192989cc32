//! Random histories: duplicates, reorderings, releases that overtake, shipments that are overtaken.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::ReservationId;
use holdfast_contract::event::ReserveRequest;
use holdfast_contract::stock::MovementKind;
use proptest::prelude::*;

use super::sample::{origin, product_id, quantity, request, reservation_id, shelf};
use crate::audit::Auditor;
use crate::domain::{
    Decision, Desk, Effects, Hold, HoldId, LedgerMovement, OrderRef, Outcome, Reservation, Shelf,
};

const PRODUCTS: u8 = 3;
const ORDERS: u16 = 5;

#[derive(Clone, Copy, Debug)]
enum Op {
    Reserve(u16),
    Release(u16, bool),
    Fulfil(u16),
    GiveUp(u16),
    HttpHold(u8, u32),
    HttpRelease,
    Adjust(u8, i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..ORDERS).prop_map(Op::Reserve),
        3 => (0..ORDERS, any::<bool>()).prop_map(|(o, s)| Op::Release(o, s)),
        2 => (0..ORDERS).prop_map(Op::Fulfil),
        1 => (0..ORDERS).prop_map(Op::GiveUp),
        1 => (0..PRODUCTS, 1u32..6).prop_map(|(p, q)| Op::HttpHold(p, q)),
        1 => Just(Op::HttpRelease),
        1 => (0..PRODUCTS, -8i64..8).prop_map(|(p, d)| Op::Adjust(p, d)),
    ]
}

fn orders() -> impl Strategy<Value = Vec<Vec<(u8, u32)>>> {
    let lines = prop::collection::vec((0..PRODUCTS, 1u32..6), 1..4);
    prop::collection::vec(lines, usize::from(ORDERS))
}

/// The desk, and what a store would have of it.
struct World {
    desk: Desk,
    orders: Vec<Vec<(u8, u32)>>,
    decisions: BTreeMap<ReservationId, Arc<Decision>>,
    ledger: Vec<Arc<LedgerMovement>>,
    holds: BTreeMap<HoldId, Hold>,
    http: Vec<Hold>,
}

impl World {
    /// Every product starts with `stock`, received as a movement.
    fn new(stock: u64, orders: Vec<Vec<(u8, u32)>>) -> Self {
        let mut desk = Desk::new(None);
        for n in 0..PRODUCTS {
            desk.create(shelf(n, 0).product, stock, &origin()).unwrap();
        }
        let mut world = Self {
            desk,
            orders,
            decisions: BTreeMap::new(),
            ledger: Vec::new(),
            holds: BTreeMap::new(),
            http: Vec::new(),
        };
        world.store();
        world
    }

    fn request(&self, order: u16) -> ReserveRequest {
        request(order, &self.orders[usize::from(order)])
    }

    fn store(&mut self) -> Effects {
        let effects = self.desk.take();
        self.ledger.extend(effects.movements.iter().cloned());
        for hold in &effects.opened {
            assert!(self.holds.insert(hold.id, hold.clone()).is_none());
        }
        for (product, hold) in &effects.closed {
            let closed = self.holds.remove(hold).expect("invariant 5: only what is held comes back");
            assert_eq!(closed.product, *product);
        }
        effects
    }

    fn keep(&mut self, outcome: Outcome) {
        if let Outcome::Decided(decision) = outcome {
            self.decisions.insert(decision.id, decision);
        }
    }

    fn apply(&mut self, op: Op) -> Effects {
        match op {
            Op::Reserve(order) => {
                let request = self.request(order);
                let prior = self.decisions.get(&request.reservation_id);
                let outcome = self.desk.reserve(&request, prior, false, &origin()).unwrap();
                self.keep(outcome);
            }
            Op::Release(order, shipped) => {
                let id = reservation_id(order);
                let outcome = self.desk.release(id, shipped, self.decisions.get(&id), &origin()).unwrap();
                self.keep(outcome);
            }
            Op::Fulfil(order) => {
                let id = reservation_id(order);
                if let Some(outcome) = self.desk.fulfil(id, self.decisions.get(&id), &origin()).unwrap() {
                    self.keep(outcome);
                }
            }
            Op::GiveUp(order) => {
                let id = reservation_id(order);
                let outcome = self.desk.give_up(id, self.decisions.get(&id), &origin());
                self.keep(outcome);
            }
            Op::HttpHold(product, units) => {
                let order = OrderRef::new("till").unwrap();
                let held = self.desk.hold_http(product_id(product), &order, quantity(units), &origin());
                let effects = self.store();
                self.http.extend(effects.opened.iter().cloned());
                assert_eq!(held.is_ok(), !effects.movements.is_empty());
                return effects;
            }
            Op::HttpRelease => {
                if let Some(hold) = self.http.pop() {
                    let order = OrderRef::new("till").unwrap();
                    self.desk.release_http(hold.product, &order, hold.quantity, hold.id, &origin()).unwrap();
                }
            }
            Op::Adjust(product, delta) => {
                let _ = self.desk.adjust(product_id(product), delta, &origin());
            }
        }
        self.store()
    }

    fn shelves(&self) -> Vec<Shelf> {
        (0..PRODUCTS).map(|n| self.desk.shelf(product_id(n)).unwrap().clone()).collect()
    }

    /// Invariants 1, 2 and 7, as of now.
    fn check(&self) {
        let mut auditor = Auditor::default();
        self.ledger.iter().for_each(|m| auditor.movement(m));
        self.holds.values().for_each(|h| auditor.hold(h));
        self.shelves().iter().for_each(|s| auditor.shelf(s));
        let report = auditor.finish();
        assert!(report.is_clean(), "invariants 1 and 7: {:?}", report.findings);
        for order in 0..ORDERS {
            let id = reservation_id(order);
            let owner = crate::domain::Owner::Reservation(id);
            let held = self.holds.values().filter(|h| h.owner == owner).count();
            let all = self.orders[usize::from(order)].len();
            let expected = match self.decisions.get(&id).map(|d| &d.reservation) {
                Some(Reservation::Held(_)) => all,
                _ => 0,
            };
            assert_eq!(held, expected, "invariant 2: an order holds all of its lines or none");
        }
    }

    /// What all orders hold or got of a product.
    fn taken(&self, product: u8) -> i64 {
        let id = product_id(product);
        let of = |m: &&Arc<LedgerMovement>| m.product == id;
        let moved = |kind| -> i64 {
            self.ledger.iter().filter(of).filter(|m| m.kind == kind).map(|m| m.on_hand_delta).sum()
        };
        let held: i64 = self.holds.values().filter(|h| h.product == id).map(|h| h.quantity.delta()).sum();
        held - moved(MovementKind::Fulfilled) - moved(MovementKind::Returned)
    }
}

proptest! {
    #[test]
    fn invariant_1_never_oversold_2_all_or_nothing_7_conserved(
        stock in 0u64..20, orders in orders(), ops in prop::collection::vec(op(), 0..60)
    ) {
        let mut world = World::new(stock, orders);
        for op in ops {
            world.apply(op);
            world.check();
            for product in 0..PRODUCTS {
                let adjusted: i64 = world.ledger.iter()
                    .filter(|m| m.product == product_id(product) && m.kind == MovementKind::Adjusted)
                    .map(|m| m.on_hand_delta).sum();
                prop_assert!(world.taken(product) <= stock.cast_signed() + adjusted);
            }
        }
    }

    #[test]
    fn invariant_4_everything_again_changes_nothing(
        stock in 0u64..20, orders in orders(), ops in prop::collection::vec(op(), 0..40)
    ) {
        let messages = |op: &Op| matches!(op, Op::Reserve(_) | Op::Release(..) | Op::Fulfil(_) | Op::GiveUp(_));
        let mut world = World::new(stock, orders);
        for op in &ops {
            world.apply(*op);
            // At once again.
            if messages(op) {
                prop_assert_eq!(world.apply(*op), Effects::default());
            }
        }
        // Every order comes to its end; then everything again, late.
        for order in 0..ORDERS {
            world.apply(Op::Release(order, false));
        }
        let (shelves, decisions) = (world.shelves(), world.decisions.clone());
        for op in ops.iter().filter(|op| messages(op)) {
            prop_assert_eq!(world.apply(*op), Effects::default());
        }
        prop_assert_eq!(world.shelves(), shelves);
        prop_assert_eq!(world.decisions, decisions);
    }

    #[test]
    fn invariant_4_a_release_that_overtakes_wins(orders in orders(), again in 0usize..3) {
        let mut world = World::new(100, orders);
        let before = world.shelves();
        world.apply(Op::Release(0, false));
        for _ in 0..=again {
            world.apply(Op::Reserve(0));
        }
        prop_assert_eq!(world.shelves(), before);
        let state = &world.decisions[&reservation_id(0)].reservation;
        prop_assert!(matches!(state, Reservation::Released(s) if s.movements.is_empty()));
    }

    #[test]
    fn invariant_4_shipment_and_its_cancellation_end_the_same_in_any_order(
        orders in orders(), late in any::<bool>(), twice in any::<bool>()
    ) {
        let mut world = World::new(100, orders);
        let before: Vec<_> = world.shelves().iter().map(|s| s.level.balances()).collect();
        world.apply(Op::Reserve(0));
        let mut rest = vec![Op::Fulfil(0), Op::Release(0, true)];
        if late { rest.reverse(); }
        if twice { rest.extend(rest.clone()); }
        for op in rest {
            world.apply(op);
            world.check();
        }
        let after: Vec<_> = world.shelves().iter().map(|s| s.level.balances()).collect();
        prop_assert_eq!(after, before);
        prop_assert!(matches!(world.decisions[&reservation_id(0)].reservation, Reservation::Returned(_)));
        let kinds = |kind| world.ledger.iter().filter(|m| m.kind == kind).count();
        prop_assert_eq!(kinds(MovementKind::Fulfilled), world.orders[0].len());
        prop_assert_eq!(kinds(MovementKind::Returned), world.orders[0].len());
    }

    #[test]
    fn invariant_5_releasing_what_holds_nothing_moves_nothing(orders in orders(), shipped in any::<bool>()) {
        // Nothing in stock: every reserve is rejected.
        let mut world = World::new(0, orders);
        world.apply(Op::Reserve(0));
        prop_assert_eq!(world.apply(Op::Release(0, shipped)), Effects::default());
        prop_assert_eq!(world.apply(Op::Release(1, shipped)), Effects::default());
        let answered = &world.decisions[&reservation_id(0)];
        prop_assert!(matches!(answered.reservation, Reservation::Released(_)));
        prop_assert_eq!(answered.number, 2);
    }
}

#[test]
fn the_same_decision_is_the_same_event() {
    let mut world = World::new(9, vec![vec![(0, 2)]; usize::from(ORDERS)]);
    world.apply(Op::Reserve(0));
    let first = world.decisions[&reservation_id(0)].answer();
    world.apply(Op::Reserve(0));
    assert_eq!(world.decisions[&reservation_id(0)].answer(), first);
    world.apply(Op::Release(0, false));
    assert_ne!(world.decisions[&reservation_id(0)].answer().head.event_id, first.head.event_id);
}

#[test]
fn an_open_http_hold_of_its_order_rejects_a_request() {
    let mut world = World::new(9, vec![vec![(0, 2)]; usize::from(ORDERS)]);
    let request = world.request(0);
    let outcome = world.desk.reserve(&request, None, true, &origin()).unwrap();
    let Outcome::Decided(decision) = outcome else { panic!("nothing was decided before") };
    let Reservation::Rejected(rejected) = &decision.reservation else { panic!("is rejected") };
    assert_eq!(rejected.reason, holdfast_contract::stock::RejectReason::ReservationConflict);
    assert_eq!(world.desk.take(), Effects::default());
}
