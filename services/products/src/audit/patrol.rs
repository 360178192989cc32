//! The audit that never sleeps: proves the books of a running service again and again, a little at a time.
//!
//! What moves is followed all the time. Besides that, round by round: the whole ledger from its first movement on, every
//! product with its holds against it, every decision that holds something; and it states to Orders what is held for which
//! reservation. The place where two things are compared is a movement of the ledger: what is stored says itself after
//! which one it is so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_bus::BusError;
use holdfast_contract::event::{Event, HeldReservation, HoldsStated};
use holdfast_contract::{LinesDigest, ProductId, ReservationId};
use holdfast_service::Clock;
use holdfast_service::audit::{Board, Patrol, Progress};
use holdfast_storage::{Outgoing, StoreError};
use rustc_hash::FxHashSet;
use tokio::time::Instant;

use super::Finding;
use super::walk::{Compared, Stored, Walk};
use crate::domain::Decision;
use crate::store::{CommitError, ProductStore, StockCommit};

/// What the audit has on its [`Board`]: one part.
pub const PARTS: &[&str] = &[BOOKS];
const BOOKS: &str = "books";

/// Movements read in one step.
const MOVEMENTS: usize = 512;
/// Products read in one step, each with all its open holds.
const PRODUCTS: usize = 16;
/// Products that moved, read in one step.
const MOVED: usize = 32;
/// Decisions read at once, and held ones after which a statement is sent.
const DECISIONS: usize = 512;
const HELD: usize = 256;
/// Readings for one statement: where little is held, one speaks for many decisions.
const READINGS: usize = 8;
/// All statements have one key, so that they stay in order.
const KEY: Bytes = Bytes::from_static(b"holds");

/// Where a round is.
#[derive(Debug)]
enum Phase {
    Rest { until: Option<Instant> },
    Ledger(Walk),
    Books { after: Option<ProductId> },
    Held { after: Option<ReservationId> },
    Settle { movement: u64 },
}

/// See the module.
pub struct StockPatrol {
    store: Arc<dyn ProductStore>,
    clock: Arc<dyn Clock>,
    board: Board,
    every: Duration,
    /// The ledger up to its end, once a round has come there.
    follow: Option<Walk>,
    /// Products that seemed wrong: what is committed between two readings can look so, and does not look so again.
    doubts: FxHashSet<ProductId>,
    phase: Phase,
}

impl StockPatrol {
    /// Begins its first round at once, and each other one `every` after the one before.
    pub fn new(store: Arc<dyn ProductStore>, clock: Arc<dyn Clock>, board: Board, every: Duration) -> Self {
        let phase = Phase::Rest { until: None };
        Self { store, clock, board, every, follow: None, doubts: FxHashSet::default(), phase }
    }

    fn found(&self, finding: &Finding, product: Option<ProductId>) {
        let order = match finding {
            Finding::Unheld { reservation, .. } => {
                Some(holdfast_contract::OrderId::new(reservation.key()).to_string())
            }
            _ => None,
        };
        self.board.found(
            BOOKS,
            holdfast_service::audit::Finding {
                kind: finding.kind(),
                product: finding.product().or(product).map(|id| id.to_string()),
                order,
                message: finding.to_string(),
            },
        );
    }

    /// Takes the next movements; says whether there may be more.
    async fn walk(&mut self, walk: &mut Walk) -> Result<(bool, Vec<ProductId>), StoreError> {
        let page = self.store.ledger(walk.last(), MOVEMENTS).await?;
        let mut moved = Vec::new();
        for movement in &page {
            let (found, doubt) = walk.movement(movement);
            for finding in found {
                self.found(&finding, Some(movement.product));
            }
            if doubt {
                self.doubts.insert(movement.product);
            }
            moved.push(movement.product);
        }
        Ok((page.len() == MOVEMENTS, moved))
    }

    /// Follows what moves, and compares some of the products that have moved.
    async fn follow(&mut self) -> Result<bool, StoreError> {
        let Some(mut walk) = self.follow.take() else { return Ok(false) };
        let followed = self.walk(&mut walk).await;
        let (more, mut moved) = match followed {
            Ok(followed) => followed,
            Err(error @ StoreError::Inconsistent(_)) => return Err(error),
            Err(error) => {
                self.follow = Some(walk);
                return Err(error);
            }
        };
        moved.sort_unstable();
        moved.dedup();
        moved.retain(|product| !walk.is_due(*product));
        moved.truncate(MOVED);
        let shelves = if moved.is_empty() { Ok(Vec::new()) } else { self.store.shelves(moved).await };
        if let Ok(shelves) = &shelves {
            for shelf in shelves {
                let stored =
                    Stored { last: shelf.last_movement, balances: shelf.level.balances(), held: None };
                if matches!(walk.compare(shelf.product.id, stored), Compared::Wrong(_)) {
                    self.doubts.insert(shelf.product.id);
                }
            }
        }
        if let Some(last) = walk.last() {
            self.board.at(BOOKS, last);
        }
        self.follow = Some(walk);
        shelves.map(|_| more)
    }

    /// Looks a second time at what seemed wrong.
    async fn look_again(&mut self) -> Result<(), StoreError> {
        let doubts: Vec<ProductId> = self.doubts.iter().copied().take(PRODUCTS).collect();
        for product in doubts {
            let books = self.store.books(before(product), 1).await?;
            let book = books.first().filter(|book| book.product == product);
            let Some(walk) = &mut self.follow else { return Ok(()) };
            let found = match book.map(Stored::of) {
                None => vec![Finding::NoProduct(product)],
                Some(None) => vec![Finding::NoBalances(product)],
                Some(Some(stored)) => match walk.compare(product, stored) {
                    Compared::Wrong(found) => found,
                    Compared::Right | Compared::Later => Vec::new(),
                },
            };
            self.doubts.remove(&product);
            for finding in found {
                self.found(&finding, None);
            }
        }
        Ok(())
    }

    async fn products(&mut self, after: Option<ProductId>) -> Result<Phase, StoreError> {
        let books = self.store.books(after, PRODUCTS).await?;
        let last = books.last().map(|book| book.product);
        self.board.checked(BOOKS, "products", books.len() as u64);
        self.board.checked(BOOKS, "holds", books.iter().map(|book| book.holds).sum());
        for book in &books {
            for hold in &book.unowned {
                self.found(&Finding::Unowned { product: book.product, hold: *hold }, None);
            }
            let (Some(walk), Some(stored)) = (&mut self.follow, Stored::of(book)) else {
                self.doubts.insert(book.product);
                continue;
            };
            if matches!(walk.compare(book.product, stored), Compared::Wrong(_)) {
                self.doubts.insert(book.product);
            }
        }
        Ok(match last {
            Some(last) => Phase::Books { after: Some(last) },
            None => {
                let unseen = self.follow.as_ref().map(|walk| walk.unseen(PRODUCTS)).unwrap_or_default();
                self.doubts.extend(unseen);
                Phase::Held { after: None }
            }
        })
    }

    /// Reads what is held after `after`, and states it.
    async fn held(&mut self, after: Option<ReservationId>) -> Result<Phase, StoreError> {
        let mut stated = HoldsStated { movement: 0, after, through: after, held: Vec::new() };
        for reading in 0..READINGS {
            let page = self.store.held(stated.through, DECISIONS).await?;
            self.board.checked(BOOKS, "decisions", page.examined);
            for (reservation, product, hold) in page.unheld {
                self.found(&Finding::Unheld { reservation, product, hold }, None);
            }
            stated.held.extend(page.held.iter().map(|decision| held(decision)));
            if reading == 0 {
                // The oldest of the moments counts.
                stated.movement = page.movement;
            }
            let full = page.examined == DECISIONS as u64;
            stated.through = page.through.filter(|_| full);
            if !full || stated.held.len() >= HELD {
                break;
            }
        }
        let through = stated.through;
        let at = self.clock.now();
        let event = Event::about_holds(at, stated);
        let outgoing = Outgoing {
            topic: event.body.topic(),
            key: KEY,
            payload: event.encode().into(),
            at,
            traceparent: None,
        };
        // It changes nothing that a decider knows, so it takes no turn.
        let commit = StockCommit { outgoing: vec![outgoing], ..StockCommit::default() };
        self.store.commit(commit).await.map_err(|error| match error {
            CommitError::Store(error) => error,
            other => StoreError::Unavailable(other.to_string()),
        })?;
        let settle = || Phase::Settle { movement: self.follow.as_ref().map_or(0, Walk::due_by) };
        Ok(through.map_or_else(settle, |through| Phase::Held { after: Some(through) }))
    }

    /// Goes a step on in the round.
    async fn round(&mut self) -> Result<Progress, StoreError> {
        match std::mem::replace(&mut self.phase, Phase::Rest { until: None }) {
            Phase::Rest { until: Some(until) } if Instant::now() < until => {
                self.phase = Phase::Rest { until: Some(until) };
                return Ok(Progress::Idle);
            }
            Phase::Rest { .. } => {
                self.board.begin(BOOKS);
                self.phase = Phase::Ledger(Walk::default());
            }
            Phase::Ledger(mut walk) => match self.walk(&mut walk).await {
                Ok((more, moved)) => {
                    self.board.checked(BOOKS, "movements", moved.len() as u64);
                    self.phase = if more {
                        Phase::Ledger(walk)
                    } else {
                        walk.unsee();
                        self.follow = Some(walk);
                        Phase::Books { after: None }
                    };
                }
                Err(error) => {
                    self.phase = Phase::Ledger(walk);
                    return Err(error);
                }
            },
            Phase::Books { after } => {
                self.phase = Phase::Books { after };
                self.phase = self.products(after).await?;
            }
            Phase::Held { after } => {
                self.phase = Phase::Held { after };
                self.phase = self.held(after).await?;
            }
            Phase::Settle { movement } => {
                let reached = self.follow.as_ref().and_then(Walk::last).map_or(0, |m| m.0);
                if reached < movement || !self.doubts.is_empty() {
                    self.phase = Phase::Settle { movement };
                    return Ok(Progress::More);
                }
                self.end();
                return Ok(Progress::Idle);
            }
        }
        Ok(Progress::More)
    }

    fn end(&mut self) {
        self.board.finish(BOOKS);
        self.phase = Phase::Rest { until: Some(Instant::now() + self.every) };
    }

    async fn work(&mut self) -> Result<Progress, StoreError> {
        let behind = self.follow().await?;
        if !self.doubts.is_empty() && self.follow.is_some() {
            self.look_again().await?;
        }
        let round = self.round().await?;
        Ok(if behind { Progress::More } else { round })
    }
}

#[async_trait]
impl Patrol for StockPatrol {
    async fn step(&mut self) -> Result<Progress, BusError> {
        match self.work().await {
            // It cannot be passed over, for nobody knows what comes after it: the next round begins anew.
            Err(StoreError::Inconsistent(why)) => {
                self.found(&Finding::Unreadable(why), None);
                self.follow = None;
                self.doubts.clear();
                if !matches!(self.phase, Phase::Rest { .. }) {
                    self.end();
                }
                self.board.measure();
                Ok(Progress::Idle)
            }
            other => {
                self.board.measure();
                Ok(other?)
            }
        }
    }

    fn stand_down(&mut self) {
        self.follow = None;
        self.doubts.clear();
        self.phase = Phase::Rest { until: None };
    }
}

fn held(decision: &Decision) -> HeldReservation {
    let lines = decision.movements().iter();
    let lines = lines.filter_map(|m| Some((m.line_id?, m.product, m.reserved_delta)));
    HeldReservation { reservation_id: decision.id, decision: decision.number, lines: LinesDigest::of(lines) }
}

/// The id before this one; `None` before the first.
fn before(product: ProductId) -> Option<ProductId> {
    let mut bytes = *product.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Some(ProductId::from_bytes(bytes));
        }
    }
    None
}
