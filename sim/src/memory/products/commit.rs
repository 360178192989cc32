//! One commit: everything is checked, then done.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_contract::{ProductId, ReservationId};
use holdfast_products::domain::{HoldId, HttpState, LedgerMovement};
use holdfast_products::store::{CommitError, StockCommit};
use holdfast_storage::StoreError;
use tokio::time::Instant;

use super::super::MemoryOptions;
use super::super::disk::State;
use super::super::inbox::Void;
use super::{Products, Stock};

/// Somebody else has decided meanwhile, which does not show in a product.
fn overtaken(what: &str) -> CommitError {
    StoreError::Unavailable(format!("{what} was written by somebody else")).into()
}

fn inconsistent(why: String) -> CommitError {
    StoreError::Inconsistent(why).into()
}

pub(super) fn commit(
    state: &mut State<Products>,
    commit: StockCommit,
    options: &MemoryOptions,
    handle: u64,
) -> Result<(), CommitError> {
    if let Some(turn) = commit.turn.filter(|_| options.shared)
        && !state.body.turns.is_held(handle, turn)
    {
        return Err(CommitError::TurnLost);
    }
    state.inbox.check(&commit.advances, &commit.unpark, &commit.park).map_err(|void| match void {
        Void::Gone => CommitError::AlreadyUnparked,
        Void::Store(error) => error.into(),
    })?;
    state.log.check(&commit.outgoing)?;
    state.body.check(&commit)?;
    // The last that may fail, and it changes nothing when it does.
    state.body.catalogue.apply(&commit.catalogue)?;

    if commit.turn.is_some() {
        state.body.turns.keep(handle, Instant::now());
    }
    state.inbox.apply(&commit.advances, &commit.unpark, &commit.attempted, commit.park);
    for outgoing in commit.outgoing {
        state.log.append(outgoing);
    }
    let rest = StockCommit { outgoing: Vec::new(), park: Vec::new(), ..commit };
    state.body.apply(rest);
    Ok(())
}

impl Products {
    fn check(&self, commit: &StockCommit) -> Result<(), CommitError> {
        for change in &commit.stock {
            if self.stock.get(&change.product).map(|stock| stock.level.version()) != change.from {
                return Err(CommitError::Stale(change.product));
            }
        }
        for (movement, next) in commit.movements.iter().zip(self.ledger.len() as u64 + 1..) {
            check_number(movement, next)?;
        }
        self.check_holds(commit)?;
        self.check_decisions(commit)?;
        let mut scopes = BTreeSet::new();
        if commit.idempotent.iter().any(|r| self.answers.get(&r.scope).is_some() || !scopes.insert(r.scope)) {
            return Err(overtaken("the answer to the same request"));
        }
        Ok(())
    }

    fn check_holds(&self, commit: &StockCommit) -> Result<(), CommitError> {
        let mut opened: BTreeSet<(ProductId, HoldId)> = BTreeSet::new();
        for hold in &commit.opened {
            let key = (hold.product, hold.id);
            if self.holds.contains_key(&key) || !opened.insert(key) {
                return Err(overtaken("a hold"));
            }
        }
        let mut closed = BTreeSet::new();
        for key in &commit.closed {
            let open = opened.contains(key) || self.holds.contains_key(key);
            if !open || !closed.insert(*key) {
                return Err(inconsistent(format!("{} of product {} is not open", key.1, key.0)));
            }
        }
        Ok(())
    }

    fn check_decisions(&self, commit: &StockCommit) -> Result<(), CommitError> {
        let mut newest: BTreeMap<ReservationId, u32> = BTreeMap::new();
        for decision in &commit.decisions {
            let stored = || self.decisions.get(&decision.id).map_or(0, |stored| stored.number);
            let number = newest.entry(decision.id).or_insert_with(stored);
            if decision.number != *number + 1 {
                return Err(overtaken("a decision"));
            }
            *number = decision.number;
        }
        Ok(())
    }

    fn apply(&mut self, commit: StockCommit) {
        self.changed.clear();
        self.changed.extend(commit.stock.iter().map(|change| change.product));
        for change in commit.stock {
            let stock = Stock { level: change.level, last_movement: change.last_movement };
            self.stock.insert(change.product, stock);
        }
        for movement in commit.movements {
            self.by_product.entry(movement.product).or_default().push(movement.id);
            self.ledger.push(movement);
        }
        for hold in commit.opened {
            self.holds.insert((hold.product, hold.id), hold);
        }
        for key in &commit.closed {
            self.holds.remove(key);
        }
        for hold in commit.restored {
            self.holds.insert((hold.product, hold.id), hold);
        }
        for decision in commit.decisions {
            self.decisions.insert(decision.id, decision);
        }
        for reservation in commit.http_reservations {
            let key = (reservation.order.as_str().to_owned(), reservation.product);
            if matches!(reservation.state, HttpState::Held { .. }) {
                self.http_held.insert(key.clone());
            } else {
                self.http_held.remove(&key);
            }
            self.http.insert(key, reservation);
        }
        for record in commit.idempotent {
            self.answers.insert(record.scope, record.at, record);
        }
    }
}

fn check_number(movement: &LedgerMovement, next: u64) -> Result<(), CommitError> {
    match movement.id.0 {
        id if id == next => Ok(()),
        // Its number is taken, so this decider's count is old.
        id if id < next => Err(CommitError::Stale(movement.product)),
        _ => Err(inconsistent(format!("{} does not follow mov-{}", movement.id, next - 1))),
    }
}
