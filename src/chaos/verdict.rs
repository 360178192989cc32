//! What clients were told, compared with what is there once everything has come to rest. Pure: it can be tried on histories
//! that are made up.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_contract::{OrderId, ProductId, StockStatus};

use super::finding::{Finding, Kind};
use super::shop::Stocked;
use super::told::{Promises, gone_back};
use super::view::{MovementView, OrderView};
use super::world::World;

/// Everything that is wrong. Of live clients see [`super::story::Story::end`].
pub(crate) fn judge(told: &Promises, world: &World, shop: &[Stocked]) -> Vec<Finding> {
    let mut found = Vec::new();
    orders(told, world, &mut found);
    corrections(told, world, &mut found);
    holds(told, world, &mut found);
    movements(world, &mut found);
    for product in shop {
        stock(product, told, world, &mut found);
    }
    found
}

/// Every order that a client was told of is there and at least as far as it was told, and there is one for each request.
fn orders(told: &Promises, world: &World, found: &mut Vec<Finding>) {
    for (id, known) in &told.orders {
        let wrong = match (world.orders.get(id), known.deleted) {
            (Some(order), false) => gone_back(&known.view, order),
            (None, true) => None,
            (None, false) => Some("a client was told of it, and it is not there".to_owned()),
            (Some(_), true) => Some("a client was told that it is deleted, and it is there".to_owned()),
        };
        if let Some(wrong) = wrong {
            found.push(Kind::AcknowledgedLost.finding(format!("order {id}: {wrong}")));
        }
    }
    let mut by_key: BTreeMap<&str, BTreeSet<OrderId>> = BTreeMap::new();
    let known = told.orders.values().map(|known| &known.view);
    for order in world.orders.values().chain(known) {
        by_key.entry(&order.user_id).or_default().insert(order.id);
    }
    for (key, ids) in by_key.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        found.push(
            Kind::DoubleEffects.finding(format!("the request with key {key} made {}", ids.join(" and "))),
        );
    }
    for order in world.orders.values().filter(|order| !order.rests()) {
        let what =
            format!("order {} is {}, and its stock {}", order.id, order.status.label(), order.stock_status);
        found.push(Kind::Undecided.finding(what));
    }
}

/// Every correction that was done is in the ledger once, and none that was refused.
fn corrections(told: &Promises, world: &World, found: &mut Vec<Finding>) {
    let mut there: BTreeMap<&str, Vec<&MovementView>> = BTreeMap::new();
    for movement in &world.movements {
        if let Some(reason) = &movement.cause.reason {
            there.entry(reason).or_default().push(movement);
        }
    }
    for (reason, asked) in &told.adjusted {
        let movements = there.remove(reason.as_str()).unwrap_or_default();
        let fits = |m: &&&MovementView| m.product_id == asked.product && m.on_hand_delta == asked.delta;
        let what = format!("the correction {reason} of product {} by {:+}", asked.product, asked.delta);
        match (asked.done, movements.len()) {
            (true, 0) => found.push(Kind::AcknowledgedLost.finding(format!("{what} is not in the ledger"))),
            (true, 1) if movements.iter().filter(fits).count() == 1 => {}
            (true, 1) => {
                found.push(Kind::AcknowledgedLost.finding(format!("{what} is another in the ledger")))
            }
            (false, 0) => {}
            (false, _) => found.push(Kind::DoubleEffects.finding(format!("{what} was refused, and done"))),
            (true, times) => {
                found.push(Kind::DoubleEffects.finding(format!("{what} is in the ledger {times} times")))
            }
        }
    }
    for reason in there.keys() {
        let what = format!("a correction that nobody was told of is in the ledger: {reason}");
        found.push(Kind::DoubleEffects.finding(what));
    }
}

/// Every reservation over HTTP is held until it is released.
fn holds(told: &Promises, world: &World, found: &mut Vec<Finding>) {
    let mut open: BTreeMap<(&str, ProductId), Vec<u32>> = BTreeMap::new();
    for hold in world.holds.iter().filter(|hold| hold.source == "http") {
        open.entry((&hold.order_id, hold.product_id)).or_default().push(hold.quantity);
    }
    for ((name, product), known) in &told.held {
        let there = open.remove(&(name.as_str(), *product)).unwrap_or_default();
        let what = format!("the reservation of {} of product {product} for {name}", known.quantity);
        match (known.released, there.as_slice()) {
            (true, []) => {}
            (false, [quantity]) if *quantity == known.quantity => {}
            (true, _) => {
                found.push(Kind::AcknowledgedLost.finding(format!("{what} was released, and is held")))
            }
            (false, []) => found.push(Kind::AcknowledgedLost.finding(format!("{what} is not held any more"))),
            (false, held) => found.push(Kind::DoubleEffects.finding(format!("{what} is held as {held:?}"))),
        }
    }
    for ((name, product), held) in open {
        let what = format!("product {product} is held for {name} ({held:?}), and nobody was told");
        found.push(Kind::DoubleEffects.finding(what));
    }
}

/// No line of an order moves stock twice in the same way, and no balance was ever negative.
fn movements(world: &World, found: &mut Vec<Finding>) {
    let mut times: BTreeMap<(&str, Option<u16>, ProductId, &str), u32> = BTreeMap::new();
    for movement in &world.movements {
        if let Some(order) = &movement.order_id {
            let line = movement.line_id.map(|line| line.0);
            *times.entry((order, line, movement.product_id, &movement.kind)).or_default() += 1;
        }
        if let Some(fault) = movement.balances.fault() {
            let what = format!("product {}, in its ledger: {fault}", movement.product_id);
            found.push(Kind::Oversold.finding(what));
        }
    }
    for ((order, _, product, kind), times) in times.into_iter().filter(|(_, times)| *times > 1) {
        let what = format!("product {product} was {kind} {times} times for one line of order {order}");
        found.push(Kind::DoubleEffects.finding(what));
    }
}

/// Stock is what there was, with what was corrected, without what orders got; and what is held is what orders hold.
fn stock(product: &Stocked, told: &Promises, world: &World, found: &mut Vec<Finding>) {
    let id = product.id;
    let Some(there) = world.products.iter().find(|there| there.id == id) else {
        return found.push(Kind::AcknowledgedLost.finding(format!("product {id} is not there")));
    };
    let wanted = |status: StockStatus| -> i64 {
        let orders = world.orders.values().filter(|order| order.stock_status == status);
        orders.filter_map(|order: &OrderView| order.demand().get(&id).copied()).sum()
    };
    let corrected: i64 = told
        .adjusted
        .values()
        .filter(|asked| asked.done && asked.product == id)
        .map(|asked| asked.delta)
        .sum();
    let over_http: i64 = told
        .held
        .iter()
        .filter(|((_, product), hold)| *product == id && !hold.released)
        .map(|(_, hold)| i64::from(hold.quantity))
        .sum();
    let had = product.initial + corrected;
    let (got, held) = (wanted(StockStatus::Fulfilled), wanted(StockStatus::Reserved) + over_http);
    if let Some(fault) = there.fault() {
        found.push(Kind::Oversold.finding(format!("product {id}: {fault}")));
    }
    if got + held > had {
        let what = format!("product {id}: {had} there were, orders got {got} and hold {held}");
        found.push(Kind::Oversold.finding(what));
    }
    let expected = (had - got, held, had - got - held);
    let is = (there.on_hand, there.reserved, there.stock);
    if expected != is {
        let what = format!(
            "product {id}: on hand, reserved, stock should be {expected:?} ({had} there were, orders got {got}, \
             hold {held}) and are {is:?}"
        );
        found.push(Kind::Unbalanced.finding(what));
    }
}
