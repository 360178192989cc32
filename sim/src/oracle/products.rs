//! What a commit of Products must look like.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use holdfast_contract::event::{Body, Event};
use holdfast_contract::stock::{Balances, MovementKind, RejectReason, Shortage};
use holdfast_contract::{OrderStatus, ProductId, ReservationId, Topic};
use holdfast_orders::domain::{Item, Order};
use holdfast_products::domain::{Cause, Decision, Hold, LedgerMovement, Owner, Rejected, Reservation};
use holdfast_products::store::{Catalogue, StockCommit};
use holdfast_storage::Record;

use super::books::{ShelfEntry, StockBook};
use super::orders::inbound;
use super::{Inbound, Place, State, Violation, broken, check_inbound, passed};

/// A commit, for the trace.
pub(super) struct Told<'a>(pub(super) &'a StockCommit);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for movement in &self.0.movements {
            let (kind, moved) = (movement.kind, movement.quantity());
            write!(f, " {} {kind:?} {moved} of {}", movement.id, movement.product)?;
        }
        for decision in &self.0.decisions {
            write!(f, " {} #{} {}", decision.id, decision.number, word(&decision.reservation))?;
        }
        for answer in &self.0.idempotent {
            write!(f, " key {}", answer.answer.status)?;
        }
        inbound(f, &inbound_of(self.0))
    }
}

fn word(reservation: &Reservation) -> &'static str {
    match reservation {
        Reservation::Rejected(_) => "rejected",
        Reservation::Held(_) => "held",
        Reservation::Released(_) => "released",
        Reservation::Fulfilled(_) => "fulfilled",
        Reservation::Returned(_) => "returned",
    }
}

pub(super) fn inbound_of(commit: &StockCommit) -> Inbound {
    Inbound { advances: commit.advances.clone(), park: commit.park.clone(), unpark: commit.unpark.clone() }
}

/// What could be had of each product in the course of a commit: before it and after each movement.
type Available = BTreeMap<ProductId, BTreeSet<i64>>;

pub(super) fn check(
    state: &mut State,
    commit: &StockCommit,
    records: &[Arc<Record>],
    record: impl Fn(Place) -> Option<Arc<Record>>,
) -> Result<(), Violation> {
    let was = state.stock.shelves.clone();
    let mut available = Available::new();
    for (product, shelf) in &state.stock.shelves {
        available.entry(*product).or_default().insert(shelf.balances.stock);
    }
    catalogue(&mut state.stock, commit);
    for movement in &commit.movements {
        moved(&mut state.stock, movement)?;
        available.entry(movement.product).or_default().insert(movement.balances.stock);
    }
    holds(&mut state.stock, commit)?;
    levels(&mut state.stock, commit)?;
    for decision in &commit.decisions {
        decided(state, commit, decision, &was, &available)?;
    }
    sent(&state.stock, commit, records)?;
    check_inbound(&mut state.stock.positions, &state.poison, &inbound_of(commit))?;
    taken(state, commit, record)
}

fn catalogue(book: &mut StockBook, commit: &StockCommit) {
    for change in &commit.catalogue {
        match change {
            Catalogue::Created(product) | Catalogue::Edited(product) => {
                if !book.shelves.contains_key(&product.id) {
                    book.made.push(product.id);
                }
                let shelf = book.shelves.entry(product.id).or_default();
                shelf.active = product.details.is_active;
                shelf.price = product.details.price.minor();
            }
            Catalogue::Hidden(product) => book.shelves.entry(*product).or_default().hidden = true,
        }
    }
}

/// Invariants 1 and 7: a movement is the next one of the ledger, changes what its kind changes, says truly what is left, and
/// leaves nothing negative.
fn moved(book: &mut StockBook, movement: &LedgerMovement) -> Result<(), Violation> {
    let id = movement.id;
    if id.0 != book.last_movement + 1 {
        return broken(7, format!("{id} came after mov-{}", book.last_movement));
    }
    book.last_movement = id.0;
    let shelf = book.shelves.entry(movement.product).or_default();
    if movement.previous != shelf.last_movement {
        return broken(
            7,
            format!("{id} names {:?} before it, not {:?}", movement.previous, shelf.last_movement),
        );
    }
    shelf.last_movement = Some(id);
    let (on_hand, reserved) = (movement.on_hand_delta, movement.reserved_delta);
    let fits = match movement.kind {
        MovementKind::Received => on_hand >= 0 && reserved == 0,
        MovementKind::Adjusted => reserved == 0,
        MovementKind::Reserved => on_hand == 0 && reserved > 0,
        MovementKind::Released => on_hand == 0 && reserved < 0,
        MovementKind::Fulfilled => on_hand < 0 && reserved == on_hand,
        MovementKind::Returned => on_hand > 0 && reserved == 0,
        MovementKind::Unknown => false,
    };
    if !fits {
        return broken(
            7,
            format!("{id} {:?} moved {on_hand} on hand and {reserved} reserved", movement.kind),
        );
    }
    shelf.owned += on_hand;
    let Balances { on_hand: had, reserved: held, .. } = shelf.balances;
    shelf.balances = Balances::new(had + on_hand, held + reserved);
    if movement.balances != shelf.balances {
        return broken(7, format!("{id} leaves {:?} and says {:?}", shelf.balances, movement.balances));
    }
    let Balances { stock, reserved, on_hand } = shelf.balances;
    if stock < 0 || reserved < 0 || on_hand < 0 {
        return broken(1, format!("{id} leaves {:?} of {}", shelf.balances, movement.product));
    }
    if let Cause::Adjusted(reason) = &movement.cause
        && let Some(step) = reason.as_str().strip_prefix("step ").and_then(|step| step.parse().ok())
    {
        *book.by_step.entry(step).or_default() += 1;
    }
    Ok(())
}

/// Invariant 5 and 7: a hold is opened by a movement that holds, and closed by one that gives back or consumes it.
fn holds(book: &mut StockBook, commit: &StockCommit) -> Result<(), Violation> {
    for hold in &commit.opened {
        let by = commit.movements.iter().find(|movement| movement.id == hold.id.0);
        let fits = by.is_some_and(|movement| {
            movement.kind == MovementKind::Reserved
                && movement.quantity() == u64::from(hold.quantity.get())
                && movement.product == hold.product
                && movement.owner.as_ref() == Some(&hold.owner)
        });
        if !fits {
            return broken(7, format!("{} was opened by no movement", hold.id));
        }
        let same = |other: &Hold| other.owner == hold.owner && other.product == hold.product;
        if matches!(hold.owner, Owner::Http(_)) && book.holds.values().any(same) {
            return broken(4, format!("{} holds {} twice", hold.owner, hold.product));
        }
        book.holds.insert(hold.id, hold.clone());
        if let Owner::Reservation(id) = &hold.owner {
            *book.decisions.entry(*id).or_default().held.entry(hold.product).or_default() +=
                u64::from(hold.quantity.get());
        }
    }
    for (product, id) in &commit.closed {
        let Some(hold) = book.holds.remove(id) else {
            return broken(5, format!("{id} of {product} was closed, and was not open"));
        };
        let closes = |movement: &&Arc<LedgerMovement>| {
            movement.hold == Some(*id)
                && matches!(movement.kind, MovementKind::Released | MovementKind::Fulfilled)
        };
        let Some(movement) = commit.movements.iter().find(closes) else {
            return broken(7, format!("{id} of {product} was closed by no movement"));
        };
        if movement.quantity() != u64::from(hold.quantity.get()) {
            return broken(
                5,
                format!("{} gave back {} of {}", movement.id, movement.quantity(), hold.quantity),
            );
        }
        if let Owner::Reservation(id) = &hold.owner {
            let held = &mut book.decisions.entry(*id).or_default().held;
            let left = held.get(product).copied().unwrap_or(0).saturating_sub(u64::from(hold.quantity.get()));
            if left == 0 {
                held.remove(product);
            } else {
                held.insert(*product, left);
            }
        }
    }
    // And the other way round: what gives back or consumes closes a hold.
    for movement in &commit.movements {
        if matches!(movement.kind, MovementKind::Released | MovementKind::Fulfilled)
            && !commit.closed.iter().any(|(_, id)| movement.hold == Some(*id))
        {
            return broken(
                5,
                format!("{} {:?} of {} closed no hold", movement.id, movement.kind, movement.product),
            );
        }
    }
    Ok(())
}

/// Invariants 4, 6 and 7: a product's level is where its movements left it, one version or more on, and is told exactly if
/// stock moved.
fn levels(book: &mut StockBook, commit: &StockCommit) -> Result<(), Violation> {
    let mut moved: BTreeMap<ProductId, bool> = commit.movements.iter().map(|m| (m.product, false)).collect();
    for change in &commit.stock {
        let id = change.product;
        let shelf: &mut ShelfEntry = book.shelves.entry(id).or_default();
        if change.level.balances() != shelf.balances {
            let (is, must) = (change.level.balances(), shelf.balances);
            return broken(7, format!("product {id} is stored as {is:?}; its movements leave {must:?}"));
        }
        if change.from.unwrap_or(0) != shelf.version || change.level.version() <= shelf.version {
            let (from, to) = (change.from, change.level.version());
            return broken(
                4,
                format!("product {id} went from version {from:?} to {to}, and was at {}", shelf.version),
            );
        }
        shelf.version = change.level.version();
        let told = commit.outgoing.iter().filter(|out| {
            out.topic == Topic::StockChanged
                && matches!(
                    Event::decode(out.topic, &out.payload),
                    Ok(Some(Event { body: Body::StockChanged(body), .. }))
                        if body.product_id == id && body.version == shelf.version && body.balances == shelf.balances
                )
        });
        let told = told.count();
        if told != usize::from(change.moved) {
            return broken(6, format!("product {id} moved: {}, and was told of {told} times", change.moved));
        }
        if let Some(done) = moved.get_mut(&id) {
            *done = true;
        } else if change.moved && change.from.is_some() {
            return broken(7, format!("product {id} moved without a movement"));
        }
    }
    match moved.into_iter().find(|(_, stored)| !stored) {
        None => Ok(()),
        Some((id, _)) => broken(6, format!("stock of {id} moved, and its level was not stored")),
    }
}

/// What an order asks for, by product.
fn demand(order: &Order) -> BTreeMap<ProductId, u64> {
    let mut demand = BTreeMap::new();
    for item in &*order.items {
        *demand.entry(item.product_id).or_default() += u64::from(item.quantity.get());
    }
    demand
}

fn decided(
    state: &mut State,
    commit: &StockCommit,
    decision: &Arc<Decision>,
    was: &BTreeMap<ProductId, ShelfEntry>,
    available: &Available,
) -> Result<(), Violation> {
    use Reservation::{Fulfilled, Held, Released, Returned};
    let id = decision.id;
    let order = state.orders.orders.get(&decision.order()).map(|entry| entry.order.clone());
    let Some(order) = order else {
        return broken(6, format!("{id} was decided, and there is no such order"));
    };
    let demand = demand(&order);
    let entry = state.stock.decisions.entry(id).or_default();
    let last = entry.history.last().map(|decision| decision.reservation.clone());
    if usize::try_from(decision.number).ok() != Some(entry.history.len() + 1) {
        let (is, had) = (decision.number, entry.history.len());
        return broken(4, format!("{id} was decided as number {is} after {had} decisions"));
    }
    let allowed = matches!(
        (&last, &decision.reservation),
        (None, Held(_) | Reservation::Rejected(_) | Released(_))
            | (Some(Held(_)), Released(_) | Fulfilled(_) | Returned(_))
            | (Some(Reservation::Rejected(_)), Released(_))
            | (Some(Fulfilled(_)), Returned(_))
    );
    if !allowed {
        let was = last.as_ref().map_or("nothing", word);
        return broken(4, format!("{id} was {was}, and was then {}", word(&decision.reservation)));
    }
    entry.history.push(decision.clone());
    // Several decisions of one commit: only the last says what is held at its end.
    let latest = commit.decisions.iter().rfind(|later| later.id == id);
    if latest.is_some_and(|latest| latest.number == decision.number) {
        let must = if matches!(decision.reservation, Held(_)) { demand.clone() } else { BTreeMap::new() };
        if entry.held != must {
            let (word, held) = (word(&decision.reservation), &entry.held);
            return broken(2, format!("{id} is {word} and holds {held:?}, not {must:?}"));
        }
    }
    let kinds: &[MovementKind] = match &decision.reservation {
        Held(_) => &[MovementKind::Reserved],
        Reservation::Rejected(_) => &[],
        Released(_) => &[MovementKind::Released],
        Fulfilled(_) => &[MovementKind::Fulfilled],
        Returned(_) => &[MovementKind::Fulfilled, MovementKind::Returned],
    };
    if let Some(movement) = decision.movements().iter().find(|movement| !kinds.contains(&movement.kind)) {
        let (word, kind) = (word(&decision.reservation), movement.kind);
        return broken(
            5,
            format!(
                "{id} is {word}, and {} {kind:?} {} of {}",
                movement.id,
                movement.quantity(),
                movement.product
            ),
        );
    }
    let had_stock = matches!(last, Some(Held(_) | Fulfilled(_)));
    for (kind, must) in [
        (MovementKind::Fulfilled, matches!(decision.reservation, Fulfilled(_))),
        (MovementKind::Returned, matches!(decision.reservation, Returned(_)) && had_stock),
    ] {
        let mut moved = BTreeMap::new();
        for movement in decision.movements().iter().filter(|movement| movement.kind == kind) {
            *moved.entry(movement.product).or_default() += movement.quantity();
        }
        if must && moved != demand {
            return broken(7, format!("{id}: {kind:?} {moved:?} of {demand:?}"));
        }
    }
    match &decision.reservation {
        Held(_) => sold(&state.stock, &order, &demand),
        Reservation::Rejected(rejected) => {
            for shortage in &rejected.shortages {
                let product = shortage.product_id;
                let asked = demand.get(&product).copied().unwrap_or(0).cast_signed();
                let seen = available.get(&product);
                let known = [was.get(&product), state.stock.shelves.get(&product)];
                if shortage.requested != asked || !is_true(shortage, &order, known, seen) {
                    return broken(
                        2,
                        format!(
                            "{id} was rejected for {shortage:?}; it asked for {asked}, and there were {seen:?}"
                        ),
                    );
                }
            }
            every_shortage_is_named(id, rejected, &demand, available)
        }
        _ => Ok(()),
    }
}

/// Whether a shortage was so before the commit, in it or after it. `known`: the product before and after.
fn is_true(
    shortage: &Shortage,
    order: &Order,
    known: [Option<&ShelfEntry>; 2],
    seen: Option<&BTreeSet<i64>>,
) -> bool {
    let any = |fits: &dyn Fn(&ShelfEntry) -> bool| known.into_iter().flatten().any(fits);
    match shortage.reason {
        RejectReason::OutOfStock => {
            let there_once = seen.is_some_and(|seen| seen.contains(&shortage.available));
            shortage.requested > shortage.available && there_once
        }
        RejectReason::ProductNotFound => known.contains(&None) || any(&|shelf| shelf.hidden),
        RejectReason::ProductInactive => any(&|shelf| !shelf.active),
        RejectReason::PriceChanged => {
            let dearer = |item: &Item, shelf: &ShelfEntry| {
                item.product_id == shortage.product_id && item.price.minor() != shelf.price
            };
            order.enforce_price && any(&|shelf| order.items.iter().any(|item| dearer(item, shelf)))
        }
        _ => false,
    }
}

/// Contract §2: whoever is rejected for want of stock learns of every product that was short all the while.
fn every_shortage_is_named(
    id: ReservationId,
    rejected: &Rejected,
    demand: &BTreeMap<ProductId, u64>,
    available: &Available,
) -> Result<(), Violation> {
    if rejected.shortages.is_empty() {
        return match rejected.reason {
            // Given up by an operator, or for an open hold of the same order: nobody looked at the stock.
            RejectReason::ProcessingFailed | RejectReason::ReservationConflict => Ok(()),
            reason => broken(2, format!("{id} was rejected as {reason:?}, and no product is named")),
        };
    }
    for (product, asked) in demand {
        let most = available.get(product).and_then(|seen| seen.last()).copied().unwrap_or(0);
        let named = rejected.shortages.iter().any(|shortage| shortage.product_id == *product);
        if most < asked.cast_signed() && !named {
            return broken(
                2,
                format!("{id} asked for {asked} of {product}, never had more than {most}, and was not told"),
            );
        }
    }
    Ok(())
}

/// What is sold is for sale, at the price that its customer saw if that counts.
fn sold(book: &StockBook, order: &Order, demand: &BTreeMap<ProductId, u64>) -> Result<(), Violation> {
    for product in demand.keys() {
        let Some(shelf) = book.shelves.get(product).filter(|shelf| shelf.active && !shelf.hidden) else {
            return broken(0, format!("order {} holds {product}, which is not for sale", order.id));
        };
        let dearer = |item: &Item| item.product_id == *product && item.price.minor() != shelf.price;
        if order.enforce_price && order.items.iter().any(dearer) {
            return broken(0, format!("order {} holds {product} for another price", order.id));
        }
    }
    Ok(())
}

/// Invariant 6: every decision has its answer, and every answer a decision that was made.
fn sent(book: &StockBook, commit: &StockCommit, records: &[Arc<Record>]) -> Result<(), Violation> {
    if records.len() != commit.outgoing.len() {
        let (is, must) = (records.len(), commit.outgoing.len());
        return broken(6, format!("a commit of {must} records put {is} into the journal"));
    }
    let mut answers = BTreeMap::new();
    for record in records {
        if !Topic::TO_ORDERS.contains(&record.topic) {
            continue;
        }
        let Ok(Some(event)) = Event::decode(record.topic, &record.payload) else {
            return broken(6, format!("an answer on {} cannot be read", record.topic));
        };
        let reservation = event.head.order_id.map(ReservationId::from);
        let history = reservation.and_then(|id| book.decisions.get(&id));
        let of = history.and_then(|entry| {
            entry.history.iter().find(|made| made.answer().head.event_id == event.head.event_id)
        });
        let Some(made) = of else {
            return broken(6, format!("the answer {} was decided by nobody", event.head.event_id));
        };
        if made.answer().body != event.body {
            return broken(4, format!("the answer {} is another one than before", event.head.event_id));
        }
        *answers.entry((made.id, made.number)).or_insert(0) += 1;
    }
    for decision in &commit.decisions {
        if !answers.contains_key(&(decision.id, decision.number)) {
            return broken(6, format!("{} was decided, and not answered", decision.id));
        }
    }
    Ok(())
}

/// Invariant 9: what the positions have passed has taken effect.
fn taken(
    state: &State,
    commit: &StockCommit,
    record: impl Fn(Place) -> Option<Arc<Record>>,
) -> Result<(), Violation> {
    for advance in &commit.advances {
        for offset in passed(advance) {
            let Some(record) = record((advance.partition, advance.to.incarnation, offset)) else { continue };
            if commit.park.iter().any(|parked| parked.record == record) {
                continue;
            }
            let event = match Event::decode(record.topic, &record.payload) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(_) => {
                    return broken(
                        9,
                        format!("{}/{offset} was passed, and neither read nor parked", advance.partition),
                    );
                }
            };
            let reservation = event.head.order_id.map(ReservationId::from);
            let history =
                reservation.and_then(|id| state.stock.decisions.get(&id)).map(|entry| &entry.history);
            let last = history.and_then(|history| history.last()).map(|decision| &decision.reservation);
            let open = match &event.body {
                Body::ReserveRequest(_) => last.is_none(),
                Body::ReleaseRequest(_) => {
                    !matches!(last, Some(Reservation::Released(_) | Reservation::Returned(_)))
                }
                Body::OrderStatusChanged(change) if change.new_status == Some(OrderStatus::Shipped) => {
                    matches!(last, Some(Reservation::Held(_)))
                }
                _ => false,
            };
            if open {
                let (place, kind) = (advance.partition, event.body.event_type());
                return broken(
                    9,
                    format!("{place}/{offset} {kind} was passed, and {reservation:?} is undecided"),
                );
            }
        }
    }
    Ok(())
}
