//! The ledger, added up movement by movement, and what must be stored at each point of it.

use holdfast_contract::ProductId;
use holdfast_contract::stock::Balances;
use rustc_hash::FxHashMap;

use super::{Finding, allowed};
use crate::domain::{LedgerMovement, MovementId};
use crate::store::{Book, HoldsDigest};

/// What a product has according to its movements.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    balances: Balances,
    last: Option<MovementId>,
    held: HoldsDigest,
    /// Whether it was among the products that are there.
    seen: bool,
}

/// What is stored of a product after its movement `last`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) last: Option<MovementId>,
    pub(super) balances: Balances,
    /// `None` if its holds were not read.
    pub(super) held: Option<HoldsDigest>,
}

impl Stored {
    /// `None` if it has no balances.
    pub(super) fn of(book: &Book) -> Option<Self> {
        Some(Self { last: book.last_movement, balances: book.balances?, held: Some(book.held) })
    }
}

/// How what is stored compares with the ledger as far as it was walked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is what it must be.
    Right,
    /// It is of a later movement: compared when the walk has come there.
    Later,
    /// It is not what it must be.
    Wrong(Vec<Finding>),
}

/// Walks the ledger from its beginning. Keeps one entry for each product, however long the ledger is.
#[derive(Debug, Default)]
pub(super) struct Walk {
    accounts: FxHashMap<ProductId, Account>,
    last: u64,
    /// What was stored at a movement that the walk has not come to.
    due: FxHashMap<ProductId, Stored>,
}

impl Walk {
    /// The last movement that it has come to.
    pub(super) fn last(&self) -> Option<MovementId> {
        (self.last > 0).then_some(MovementId(self.last))
    }

    /// Takes the next movement; says what is wrong with it, and which product does not fit at it.
    pub(super) fn movement(&mut self, m: &LedgerMovement) -> (Vec<Finding>, bool) {
        let mut found = Vec::new();
        if m.id.0 != self.last + 1 {
            found.push(Finding::Gap(m.id));
        }
        self.last = m.id.0;
        let account = self.accounts.entry(m.product).or_default();
        if m.previous != account.last {
            found.push(Finding::Chain { movement: m.id, expected: account.last, found: m.previous });
        }
        let before = account.balances;
        let expected = Balances::new(
            before.on_hand.wrapping_add(m.on_hand_delta),
            before.reserved.wrapping_add(m.reserved_delta),
        );
        if expected != m.balances {
            found.push(Finding::Movement { movement: m.id, expected, found: m.balances });
        }
        if !allowed(m) {
            found.push(Finding::Kind(m.id));
        }
        account.balances = expected;
        account.last = Some(m.id);
        if let Some(hold) = m.hold.filter(|_| m.reserved_delta != 0) {
            account.held.change(hold, m.reserved_delta);
        }
        let stored = self.due.get(&m.product).filter(|stored| stored.last <= Some(m.id)).copied();
        let doubt = stored.is_some_and(|stored| {
            self.due.remove(&m.product);
            stored.last != Some(m.id) || wrong(m.product, &self.accounts[&m.product], &stored).is_some()
        });
        (found, doubt)
    }

    /// Compares what was stored of a product, read after the walk has come to where it is.
    pub(super) fn compare(&mut self, product: ProductId, stored: Stored) -> Compared {
        let account = self.accounts.entry(product).or_default();
        account.seen = true;
        if stored.last > account.last {
            // The first one stays: one that is replaced all the time would never be compared.
            self.due.entry(product).or_insert(stored);
            return Compared::Later;
        }
        match wrong(product, account, &stored) {
            Some(found) => Compared::Wrong(found),
            None => Compared::Right,
        }
    }

    /// Whether the product is compared when the walk comes to a later movement.
    pub(super) fn is_due(&self, product: ProductId) -> bool {
        self.due.contains_key(&product)
    }

    /// The movement at which everything that is due by now will have been compared.
    pub(super) fn due_by(&self) -> u64 {
        self.due.values().filter_map(|stored| stored.last).map(|m| m.0).max().unwrap_or(0).max(self.last)
    }

    /// Forgets which products are there.
    pub(super) fn unsee(&mut self) {
        self.accounts.values_mut().for_each(|account| account.seen = false);
    }

    /// Up to `limit` products that have movements and were not compared since.
    pub(super) fn unseen(&self, limit: usize) -> Vec<ProductId> {
        let unseen = self.accounts.iter().filter(|(_, a)| !a.seen && a.last.is_some());
        unseen.map(|(product, _)| *product).take(limit).collect()
    }
}

fn wrong(product: ProductId, account: &Account, stored: &Stored) -> Option<Vec<Finding>> {
    let mut found = Vec::new();
    if stored.last != account.last {
        found.push(Finding::LastMovement { product, expected: account.last, found: stored.last });
    }
    if stored.balances != account.balances {
        found.push(Finding::Balances { product, ledger: account.balances, stored: stored.balances });
    }
    if let Some(held) = stored.held {
        if held != account.held {
            let (ledger, listed) = (account.held.quantity, held.quantity);
            found.push(Finding::OtherHolds { product, ledger, listed });
        }
        if held.quantity != stored.balances.reserved {
            let (holds, reserved) = (held.quantity, stored.balances.reserved);
            found.push(Finding::Holds { product, holds, reserved });
        }
    }
    (!found.is_empty()).then_some(found)
}
