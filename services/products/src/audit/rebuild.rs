//! Stock, rebuilt from the movements: what is stored is put back to what the ledger says.
//!
//! The ledger is the truth, so it has to be whole: from one that is damaged nothing is rebuilt.

use std::fmt;

use holdfast_contract::event::{Event, StockChanged};
use holdfast_contract::stock::{Balances, MovementKind};
use holdfast_contract::text::Name;
use holdfast_contract::{DEFAULT_LOCATION, ProductId, Quantity, Timestamp};
use holdfast_storage::{Outgoing, StoreError};
use rustc_hash::FxHashMap;
use thiserror::Error;

use super::Finding;
use super::walk::Walk;
use crate::domain::{BrokenLevel, Hold, HoldId, LedgerMovement, MovementId, StockChange, StockLevel};
use crate::store::{Book, CommitError, ProductStore, StockCommit, Turn};

/// Rows read at once.
const PAGE: usize = 1_000;
/// Products read at once, each with its holds.
const PRODUCTS: usize = 100;
/// Findings that are told.
const TOLD: usize = 10;

/// Why stock cannot be rebuilt. Nothing has changed.
#[derive(Debug, Error)]
pub enum RebuildError {
    /// The ledger does not add up itself: what is stored cannot follow from it.
    #[error("the ledger itself is damaged, so nothing can be rebuilt from it; restore a backup. It says: {}", told(.0))]
    Ledger(Vec<Finding>),
    /// What the movements add up to is no stock.
    #[error("the movements of product {product} add up to what cannot be")]
    Level {
        /// Of which product.
        product: ProductId,
        /// Why.
        #[source]
        why: BrokenLevel,
    },
    /// A product's balances are gone, and with them the number of its version, which nobody else has.
    #[error("product {0} has no balances at all, and its version is lost with them; restore a backup")]
    NoBalances(ProductId),
    /// A movement that opened a hold does not say for whom.
    #[error("{0} opened a hold and does not say for whom, for which line or for how much")]
    Nameless(MovementId),
    /// Somebody else has decided meanwhile.
    #[error("another instance has changed stock meanwhile: try again, or stop it")]
    Overtaken,
    /// The store is away, or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(findings: &[Finding]) -> String {
    let mut said: Vec<String> = findings.iter().take(TOLD).map(ToString::to_string).collect();
    if findings.len() > TOLD {
        said.push(format!("and {} more", findings.len() - TOLD));
    }
    said.join("; ")
}

/// What has to change of one product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which product.
    pub product: ProductId,
    /// Its name.
    pub name: Name,
    /// Balances as stored.
    pub stored: Balances,
    /// What they must be.
    pub ledger: Balances,
    /// Its newest movement, as stored.
    pub stored_last: Option<MovementId>,
    /// What it must be.
    pub last: Option<MovementId>,
    /// Holds that are listed and not open.
    pub close: Vec<Hold>,
    /// Holds that are open and not listed, or otherwise: as they must be.
    pub put: Vec<Hold>,
    version: u64,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "product {} ({})", self.product, self.name)?;
        for (what, stored, ledger) in [
            ("on hand", self.stored.on_hand, self.ledger.on_hand),
            ("reserved", self.stored.reserved, self.ledger.reserved),
            ("available", self.stored.stock, self.ledger.stock),
        ] {
            if stored != ledger {
                write!(f, "; {what} {stored} → {ledger} ({:+})", ledger.wrapping_sub(stored))?;
            }
        }
        if self.stored_last != self.last {
            let name = |m: Option<MovementId>| m.map_or("none".to_owned(), |m| m.to_string());
            write!(f, "; newest movement {} → {}", name(self.stored_last), name(self.last))?;
        }
        for hold in &self.close {
            write!(f, "; {} of {} for {} goes", hold.id, hold.quantity, hold.owner)?;
        }
        for hold in &self.put {
            write!(f, "; {} of {} for {} comes back", hold.id, hold.quantity, hold.owner)?;
        }
        Ok(())
    }
}

/// What has to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuild {
    /// Products.
    pub products: u64,
    /// Movements that were added up.
    pub movements: u64,
    /// Products that are not what the ledger says, in the order of their ids. None: there is nothing to do.
    pub changes: Vec<Change>,
}

/// Adds up the whole ledger and compares what is stored with it. With a `turn`, nobody else decides meanwhile; without one,
/// what is committed meanwhile can look like a difference.
///
/// # Errors
/// See [`RebuildError`].
pub async fn plan(store: &dyn ProductStore, turn: Option<Turn>) -> Result<Rebuild, RebuildError> {
    let mut rebuild = Rebuild::default();
    let mut ledger = Ledger::default();
    loop {
        keep(store, turn).await?;
        let page = store.ledger(ledger.walk.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for movement in &page {
            ledger.movement(movement)?;
        }
        rebuild.movements += page.len() as u64;
    }
    if !ledger.damage.is_empty() {
        return Err(RebuildError::Ledger(ledger.damage));
    }
    let mut listed: FxHashMap<ProductId, Vec<Hold>> = FxHashMap::default();
    let mut after = None;
    loop {
        keep(store, turn).await?;
        let page = store.open_holds(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.product, last.id));
        for hold in page {
            ledger.listed(hold, &mut listed);
        }
    }
    let mut open: FxHashMap<ProductId, Vec<Hold>> = FxHashMap::default();
    for (_, hold) in ledger.open.drain() {
        open.entry(hold.product).or_default().push(hold);
    }
    let mut after = None;
    loop {
        keep(store, turn).await?;
        let books = store.books(after, PRODUCTS).await?;
        let Some(last) = books.last() else { break };
        after = Some(last.product);
        rebuild.products += books.len() as u64;
        for book in &books {
            let product = book.product;
            let close = listed.remove(&product).unwrap_or_default();
            let mut put = open.remove(&product).unwrap_or_default();
            put.sort_unstable_by_key(|hold| hold.id);
            rebuild.changes.extend(ledger.compare(book, close, put)?);
        }
    }
    let nowhere: Vec<Finding> = ledger.products.into_keys().map(Finding::NoProduct).collect();
    if nowhere.is_empty() { Ok(rebuild) } else { Err(RebuildError::Ledger(nowhere)) }
}

/// Keeps the turn, and makes sure that nobody had it in between.
async fn keep(store: &dyn ProductStore, turn: Option<Turn>) -> Result<(), RebuildError> {
    let Some(turn) = turn.filter(|turn| turn.lasts.is_some()) else { return Ok(()) };
    if store.take_turn().await?.number == turn.number { Ok(()) } else { Err(RebuildError::Overtaken) }
}

/// What the movements add up to.
#[derive(Default)]
struct Ledger {
    walk: Walk,
    damage: Vec<Finding>,
    products: FxHashMap<ProductId, (Balances, MovementId)>,
    open: FxHashMap<HoldId, Hold>,
}

impl Ledger {
    fn movement(&mut self, m: &LedgerMovement) -> Result<(), RebuildError> {
        let (found, _) = self.walk.movement(m);
        self.damage.extend(found);
        // Proved by the walk to be the sum.
        self.products.insert(m.product, (m.balances, m.id));
        let Some(hold) = m.hold else { return Ok(()) };
        match m.kind {
            MovementKind::Reserved => {
                let quantity = u64::try_from(m.reserved_delta).ok().and_then(|n| Quantity::new(n).ok());
                let (Some(owner), Some(line_id), Some(quantity)) = (m.owner.clone(), m.line_id, quantity)
                else {
                    return Err(RebuildError::Nameless(m.id));
                };
                let (product, at) = (m.product, m.at);
                self.open.insert(hold, Hold { id: hold, product, owner, line_id, quantity, consumed: 0, at });
            }
            MovementKind::Released | MovementKind::Fulfilled => {
                self.open.remove(&hold);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a hold that is listed: `wrong` gets it if it is not open.
    fn listed(&mut self, hold: Hold, wrong: &mut FxHashMap<ProductId, Vec<Hold>>) {
        match self.open.get(&hold.id) {
            Some(open) if *open == hold => {
                self.open.remove(&hold.id);
            }
            // Stored otherwise under its own name: it is put back.
            Some(open) if open.product == hold.product => {}
            _ => wrong.entry(hold.product).or_default().push(hold),
        }
    }

    fn compare(
        &mut self,
        book: &Book,
        close: Vec<Hold>,
        put: Vec<Hold>,
    ) -> Result<Option<Change>, RebuildError> {
        let product = book.product;
        let account = self.products.remove(&product);
        let (ledger, last) = account.map_or((Balances::default(), None), |(b, last)| (b, Some(last)));
        let (Some(stored), Some(version)) = (book.balances, book.version) else {
            return Err(RebuildError::NoBalances(product));
        };
        StockLevel::restore(ledger.on_hand, ledger.reserved, version)
            .map_err(|why| RebuildError::Level { product, why })?;
        if stored == ledger && book.last_movement == last && close.is_empty() && put.is_empty() {
            return Ok(None);
        }
        let name = Name::new(&book.name)
            .map_err(|error| StoreError::Inconsistent(format!("the name of product {product}: {error}")))?;
        let stored_last = book.last_movement;
        Ok(Some(Change { product, name, stored, ledger, stored_last, last, close, put, version }))
    }
}

impl Rebuild {
    /// Makes all changes at once, or none. They are told to live clients, as any change of stock is.
    ///
    /// # Errors
    /// [`RebuildError::Overtaken`], if one of the products has changed since; [`RebuildError::Store`].
    pub async fn apply(
        &self,
        store: &dyn ProductStore,
        turn: Option<Turn>,
        at: Timestamp,
    ) -> Result<(), RebuildError> {
        let mut commit =
            StockCommit { turn: turn.filter(|turn| turn.lasts.is_some()), ..StockCommit::default() };
        for change in &self.changes {
            let product = change.product;
            let Balances { on_hand, reserved, .. } = change.ledger;
            let level = StockLevel::restore(on_hand, reserved, change.version + 1)
                .map_err(|why| RebuildError::Level { product, why })?;
            let changed = StockChanged {
                product_id: product,
                product_name: change.name.clone(),
                version: level.version(),
                location_id: DEFAULT_LOCATION.to_owned(),
                balances: level.balances(),
            };
            let event = Event::about_product(at, changed);
            commit.outgoing.push(Outgoing {
                topic: event.body.topic(),
                key: product.to_string().into(),
                payload: event.encode().into(),
                at,
                traceparent: None,
            });
            commit.stock.push(StockChange {
                product,
                name: change.name.clone(),
                from: Some(change.version),
                level,
                last_movement: change.last,
                moved: change.stored != change.ledger,
            });
            commit.closed.extend(change.close.iter().map(|hold| (product, hold.id)));
            commit.restored.extend(change.put.iter().cloned());
        }
        match store.commit(commit).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(_) => Err(RebuildError::Overtaken),
        }
    }
}
