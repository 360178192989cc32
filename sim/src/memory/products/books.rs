//! What the background audit reads.

use std::ops::Bound::{Excluded, Unbounded};

use holdfast_contract::{ProductId, ReservationId};
use holdfast_products::domain::{Hold, HoldId, HttpState, Owner, Reservation};
use holdfast_products::store::{Book, HeldPage};

use super::Products;

impl Products {
    pub(super) fn books(&self, after: Option<ProductId>, limit: usize) -> Vec<Book> {
        let stored = self.catalogue.after(after).take(limit).map(|id| {
            let stock = self.stock.get(&id).map(|stock| {
                let balances = stock.level.balances();
                (balances.on_hand, balances.reserved, stock.level.version())
            });
            let last = self.stock.get(&id).and_then(|stock| stock.last_movement);
            let name = self.catalogue.get(id).map(|entry| entry.product.details.name.as_str().to_owned());
            let mut book = Book::new(id, name.unwrap_or_default(), stock, last.map(|movement| movement.0));
            let first = Some((id, HoldId(holdfast_products::domain::MovementId(0))));
            for hold in self.holds_after(first).take_while(|hold| hold.product == id) {
                let left = i64::from(hold.quantity.get()) - i64::from(hold.consumed);
                book.hold(hold.id, left, self.is_owned(hold));
            }
            book
        });
        stored.collect()
    }

    fn is_owned(&self, hold: &Hold) -> bool {
        match &hold.owner {
            Owner::Reservation(id) => self.decisions.get(id).is_some_and(|decision| {
                matches!(decision.reservation, Reservation::Held(_))
                    && decision.movements().iter().any(|movement| movement.hold == Some(hold.id))
            }),
            Owner::Http(order) => {
                let held = self.http.get(&(order.as_str().to_owned(), hold.product));
                held.is_some_and(
                    |held| matches!(held.state, HttpState::Held { hold: id, .. } if id == hold.id),
                )
            }
        }
    }

    pub(super) fn held(&self, after: Option<ReservationId>, limit: usize) -> HeldPage {
        let mut page = HeldPage {
            movement: self.ledger.last().map_or(0, |movement| movement.id.0),
            ..HeldPage::default()
        };
        for (id, decision) in self.decisions.range((after.map_or(Unbounded, Excluded), Unbounded)).take(limit)
        {
            page.examined += 1;
            page.through = Some(*id);
            if !matches!(decision.reservation, Reservation::Held(_)) {
                continue;
            }
            page.held.push(decision.clone());
            let holds =
                decision.movements().iter().filter_map(|movement| Some((movement.product, movement.hold?)));
            let closed = holds.filter(|hold| !self.holds.contains_key(hold));
            page.unheld.extend(closed.map(|(product, hold)| (*id, product, hold)));
        }
        page
    }
}
