//! Checks that stock can be rebuilt from the ledger (contract, invariant 7), and says what cannot.

mod patrol;
#[cfg(test)]
mod patrol_tests;
pub mod rebuild;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use holdfast_contract::stock::{Balances, MovementKind};
use holdfast_contract::{ProductId, ReservationId};
use holdfast_storage::StoreError;
use rustc_hash::FxHashMap;

use crate::domain::{Hold, HoldId, LedgerMovement, MovementId, Shelf};
use crate::store::StockReads;

pub use patrol::{PARTS, StockPatrol};

/// Rows read at once.
const PAGE: usize = 1_000;
/// Findings kept; more are only counted.
const KEPT: usize = 1_000;

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Stored balances are not what the ledger adds up to.
    Balances {
        /// Of which product.
        product: ProductId,
        /// According to the movements.
        ledger: Balances,
        /// According to the product.
        stored: Balances,
    },
    /// The balances after a movement are not those before it plus its own.
    Movement {
        /// Which.
        movement: MovementId,
        /// What they must be.
        expected: Balances,
        /// What they are.
        found: Balances,
    },
    /// A movement's changes are not those of its kind, or it leaves a negative balance.
    Kind(MovementId),
    /// A number is missing in the ledger before this movement.
    Gap(MovementId),
    /// A movement does not name the product's movement before it.
    Chain {
        /// Which.
        movement: MovementId,
        /// What it must name.
        expected: Option<MovementId>,
        /// What it names.
        found: Option<MovementId>,
    },
    /// The product does not name its newest movement.
    LastMovement {
        /// Which product.
        product: ProductId,
        /// What it must name.
        expected: Option<MovementId>,
        /// What it names.
        found: Option<MovementId>,
    },
    /// What is held is not the sum of the open holds.
    Holds {
        /// Of which product.
        product: ProductId,
        /// Sum of the open holds.
        holds: i64,
        /// What the product says.
        reserved: i64,
    },
    /// A hold is open in the ledger and not in the list of holds, or the other way round, or with another quantity.
    Hold {
        /// Which.
        hold: HoldId,
        /// Quantity according to the movements; `None`: closed or never opened.
        ledger: Option<i64>,
        /// Quantity according to the list of holds.
        listed: Option<i64>,
    },
    /// Movements or holds of a product that is not there.
    NoProduct(ProductId),
    /// A product without balances.
    NoBalances(ProductId),
    /// A hold that no decision on a reservation, and no reservation over HTTP, knows of.
    Unowned {
        /// Of which product.
        product: ProductId,
        /// Which hold.
        hold: HoldId,
    },
    /// A reservation that was decided to hold, whose hold is not open.
    Unheld {
        /// Which reservation.
        reservation: ReservationId,
        /// Of which product.
        product: ProductId,
        /// The hold that its decision opened.
        hold: HoldId,
    },
    /// The open holds are not those that the movements opened and did not close, though their sum may be right.
    OtherHolds {
        /// Of which product.
        product: ProductId,
        /// What the movements have left open, together.
        ledger: i64,
        /// Sum of the open holds.
        listed: i64,
    },
    /// What is stored breaks an invariant so that it cannot be read; the audit stopped there.
    Unreadable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |b: &Balances| format!("{} on hand, {} reserved", b.on_hand, b.reserved);
        let name = |m: &Option<MovementId>| m.map_or("none".to_owned(), |m| m.to_string());
        match self {
            Self::Balances { product, ledger, stored } => {
                write!(f, "product {product} has {}; its movements add up to {}", show(stored), show(ledger))
            }
            Self::Movement { movement, expected, found } => {
                write!(f, "{movement} leaves {}; it must leave {}", show(found), show(expected))
            }
            Self::Kind(movement) => write!(f, "{movement} changes what its kind must not change"),
            Self::Gap(movement) => write!(f, "the ledger has a gap before {movement}"),
            Self::Chain { movement, expected, found } => {
                write!(f, "{movement} names {} as the one before it, not {}", name(found), name(expected))
            }
            Self::LastMovement { product, expected, found } => {
                write!(
                    f,
                    "product {product} names {} as its newest movement, not {}",
                    name(found),
                    name(expected)
                )
            }
            Self::Holds { product, holds, reserved } => {
                write!(f, "product {product} has {reserved} reserved; its open holds add up to {holds}")
            }
            Self::Hold { hold, ledger, listed } => {
                let say = |q: &Option<i64>| q.map_or("none".to_owned(), |q| q.to_string());
                write!(
                    f,
                    "{hold} holds {} in the ledger and {} in the list of holds",
                    say(ledger),
                    say(listed)
                )
            }
            Self::NoProduct(product) => {
                write!(f, "there are movements or holds of product {product}, which is not there")
            }
            Self::NoBalances(product) => write!(f, "product {product} has no balances"),
            Self::Unowned { product, hold } => {
                write!(f, "{hold} keeps stock of product {product} for nobody: no decision knows of it")
            }
            Self::Unheld { reservation, product, hold } => {
                write!(f, "{reservation} was decided to hold product {product}, and its {hold} is not open")
            }
            Self::OtherHolds { product, ledger, listed } => write!(
                f,
                "the open holds of product {product} ({listed} together) are not those that its movements left open ({ledger})"
            ),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

impl Finding {
    /// What kind of thing it is, for programs. Public: never rename.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Balances { .. } | Self::NoBalances(_) => "balances",
            Self::Movement { .. } | Self::Kind(_) | Self::Gap(_) | Self::Chain { .. } => "ledger",
            Self::LastMovement { .. } => "last_movement",
            Self::Holds { .. } | Self::Hold { .. } | Self::OtherHolds { .. } => "holds",
            Self::Unowned { .. } => "hold_without_decision",
            Self::Unheld { .. } => "decision_without_hold",
            Self::NoProduct(_) => "no_product",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// The product that it is about, where that is known.
    pub fn product(&self) -> Option<ProductId> {
        match self {
            Self::Balances { product, .. }
            | Self::LastMovement { product, .. }
            | Self::Holds { product, .. }
            | Self::NoProduct(product)
            | Self::NoBalances(product)
            | Self::Unowned { product, .. }
            | Self::Unheld { product, .. }
            | Self::OtherHolds { product, .. } => Some(*product),
            Self::Movement { .. }
            | Self::Kind(_)
            | Self::Gap(_)
            | Self::Chain { .. }
            | Self::Hold { .. }
            | Self::Unreadable(_) => None,
        }
    }

    /// Whether it is about the ledger itself: then nothing can be rebuilt from it.
    pub fn is_of_the_ledger(&self) -> bool {
        matches!(
            self,
            Self::Movement { .. } | Self::Kind(_) | Self::Gap(_) | Self::Chain { .. } | Self::NoProduct(_)
        )
    }
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Products.
    pub products: u64,
    /// Movements.
    pub movements: u64,
    /// Open holds.
    pub holds: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// How many there were.
    pub total_findings: u64,
}

impl Report {
    /// Whether everything adds up.
    pub fn is_clean(&self) -> bool {
        self.total_findings == 0
    }

    fn add(&mut self, finding: Finding) {
        self.total_findings += 1;
        if self.findings.len() < KEPT {
            self.findings.push(finding);
        }
    }
}

#[derive(Default)]
struct Account {
    balances: Balances,
    last: Option<MovementId>,
    listed: i64,
}

/// Adds up. Shown every movement in the order of ids, then every open hold, then every product. Keeps one entry for each
/// product and each open hold, however long the ledger is.
#[derive(Default)]
pub struct Auditor {
    report: Report,
    accounts: FxHashMap<ProductId, Account>,
    open: FxHashMap<HoldId, i64>,
    last: u64,
}

impl Auditor {
    /// Takes the next movement.
    pub fn movement(&mut self, m: &LedgerMovement) {
        self.report.movements += 1;
        if m.id.0 != self.last + 1 {
            self.report.add(Finding::Gap(m.id));
        }
        self.last = m.id.0;
        let account = self.accounts.entry(m.product).or_default();
        if m.previous != account.last {
            self.report.add(Finding::Chain { movement: m.id, expected: account.last, found: m.previous });
        }
        let before = account.balances;
        let expected = Balances::new(before.on_hand + m.on_hand_delta, before.reserved + m.reserved_delta);
        if expected != m.balances {
            self.report.add(Finding::Movement { movement: m.id, expected, found: m.balances });
        }
        if !allowed(m) {
            self.report.add(Finding::Kind(m.id));
        }
        *account = Account { balances: expected, last: Some(m.id), ..*account };
        if let Some(hold) = m.hold {
            let held = self.open.entry(hold).or_default();
            *held += m.reserved_delta;
            if *held == 0 {
                self.open.remove(&hold);
            }
        }
    }

    /// Takes the next open hold.
    pub fn hold(&mut self, hold: &Hold) {
        self.report.holds += 1;
        let listed = hold.quantity.delta() - i64::from(hold.consumed);
        self.accounts.entry(hold.product).or_default().listed += listed;
        let ledger = self.open.remove(&hold.id);
        if ledger != Some(listed) {
            self.report.add(Finding::Hold { hold: hold.id, ledger, listed: Some(listed) });
        }
    }

    /// Takes the next product.
    pub fn shelf(&mut self, shelf: &Shelf) {
        self.report.products += 1;
        let product = shelf.product.id;
        let account = self.accounts.remove(&product).unwrap_or_default();
        let stored = shelf.level.balances();
        if stored != account.balances {
            self.report.add(Finding::Balances { product, ledger: account.balances, stored });
        }
        if shelf.last_movement != account.last {
            let (expected, found) = (account.last, shelf.last_movement);
            self.report.add(Finding::LastMovement { product, expected, found });
        }
        if account.listed != stored.reserved {
            let (holds, reserved) = (account.listed, stored.reserved);
            self.report.add(Finding::Holds { product, holds, reserved });
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        let mut unlisted: Vec<_> = self.open.drain().collect();
        unlisted.sort_unstable();
        for (hold, quantity) in unlisted {
            self.report.add(Finding::Hold { hold, ledger: Some(quantity), listed: None });
        }
        let mut orphans: Vec<_> = self.accounts.into_keys().collect();
        orphans.sort_unstable();
        for product in orphans {
            self.report.add(Finding::NoProduct(product));
        }
        self.report
    }
}

/// Whether a movement changes what its kind changes, and leaves nothing negative.
fn allowed(m: &LedgerMovement) -> bool {
    let (on_hand, reserved) = (m.on_hand_delta, m.reserved_delta);
    let changes = match m.kind {
        MovementKind::Received | MovementKind::Returned => on_hand > 0 && reserved == 0,
        MovementKind::Reserved => on_hand == 0 && reserved > 0,
        MovementKind::Released => on_hand == 0 && reserved < 0,
        MovementKind::Fulfilled => on_hand < 0 && reserved == on_hand,
        MovementKind::Adjusted => on_hand != 0 && reserved == 0,
        // Never written by this service.
        MovementKind::Unknown => false,
    };
    changes && m.balances.stock >= 0 && m.balances.reserved >= 0
}

/// Audits a whole store, which must not change meanwhile. Memory does not grow with the ledger.
///
/// # Errors
/// If the store is away. What cannot be read because it is inconsistent is a finding.
pub async fn audit(store: &dyn StockReads) -> Result<Report, StoreError> {
    let mut auditor = Auditor::default();
    match read(store, &mut auditor).await {
        Ok(()) => Ok(auditor.finish()),
        Err(StoreError::Inconsistent(why)) => {
            let mut report = auditor.report;
            report.add(Finding::Unreadable(why));
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

async fn read(store: &dyn StockReads, auditor: &mut Auditor) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.ledger(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        page.iter().for_each(|m| auditor.movement(m));
    }
    let mut after = None;
    loop {
        let page = store.open_holds(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.product, last.id));
        page.iter().for_each(|h| auditor.hold(h));
    }
    let mut after = None;
    loop {
        let page = store.all_shelves(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.product.id);
        page.iter().for_each(|s| auditor.shelf(s));
    }
    Ok(())
}
