//! A commit, with everything encoded: a transaction may have to be run again.

use std::sync::Arc;

use holdfast_contract::{ProductId, ReservationId};
use holdfast_storage::mongodb::Lease;
use holdfast_storage::{Advance, ParkedId, StoreError, ToPark};
use mongodb::bson::{RawArrayBuf, RawDocumentBuf, cstr, rawdoc};
use rustc_hash::{FxHashMap, FxHashSet};

use super::document::{self, object_id};
use super::lease;
use crate::domain::{Decision, HoldId, HttpReservation, Product, StockChange};
use crate::store::{Catalogue, CommitError, StockCommit};

/// Records of one document of the outbox, and their size in bytes.
const RECORDS: usize = 1_000;
const BYTES: usize = 2 << 20;

/// Documents and statements, by collection.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) turn: Option<Lease>,
    pub(super) advances: Vec<Advance>,
    pub(super) unpark: Vec<ParkedId>,
    pub(super) attempted: Vec<ParkedId>,
    pub(super) park: Vec<ToPark>,
    pub(super) created: Vec<RawDocumentBuf>,
    pub(super) created_ids: Vec<ProductId>,
    pub(super) changed: Vec<RawDocumentBuf>,
    /// The versions that the changes were made from.
    pub(super) from: Vec<(ProductId, u64)>,
    pub(super) movements: Vec<RawDocumentBuf>,
    /// Of which product each movement is.
    pub(super) moved: Vec<ProductId>,
    pub(super) opened: Vec<RawDocumentBuf>,
    pub(super) closed: Vec<RawDocumentBuf>,
    pub(super) restored: Vec<RawDocumentBuf>,
    /// Of reservations that had no decision.
    pub(super) decided: Vec<RawDocumentBuf>,
    pub(super) decided_again: Vec<RawDocumentBuf>,
    pub(super) http: Vec<RawDocumentBuf>,
    pub(super) idempotent: Vec<RawDocumentBuf>,
    pub(super) outgoing: Vec<Records>,
}

/// Outgoing records that share a document.
pub(super) struct Records {
    pub(super) records: RawArrayBuf,
    pub(super) count: usize,
}

impl Prepared {
    pub(super) fn new(commit: &StockCommit) -> Result<Self, CommitError> {
        let mut prepared = Self {
            turn: commit.turn.map(lease),
            advances: commit.advances.clone(),
            unpark: commit.unpark.clone(),
            attempted: commit.attempted.clone(),
            park: commit.park.clone(),
            movements: commit.movements.iter().map(|m| document::movement(m)).collect(),
            moved: commit.movements.iter().map(|m| m.product).collect(),
            http: https(&commit.http_reservations),
            idempotent: commit.idempotent.iter().map(document::idempotency).collect(),
            outgoing: records(commit),
            ..Self::default()
        };
        prepared.products(commit)?;
        prepared.holds(commit);
        prepared.decisions(&commit.decisions)?;
        Ok(prepared)
    }

    /// All that the commit does to a product is one write.
    fn products(&mut self, commit: &StockCommit) -> Result<(), CommitError> {
        let mut catalogue: FxHashMap<ProductId, Details<'_>> = FxHashMap::default();
        for change in &commit.catalogue {
            match change {
                Catalogue::Created(product) => {
                    catalogue.entry(product.id).or_default().of(product).created = true;
                }
                Catalogue::Edited(product) => {
                    catalogue.entry(product.id).or_default().of(product);
                }
                Catalogue::Hidden(id) => catalogue.entry(*id).or_default().hidden = true,
            }
        }
        for change in &commit.stock {
            let id = change.product;
            let details = catalogue.remove(&id).unwrap_or_default();
            match (change.from, details) {
                (None, Details { product: Some(product), created: true, hidden }) => {
                    self.created.push(created(product, hidden, change));
                    self.created_ids.push(id);
                }
                // Taken for new by somebody who does not know it.
                (None, _) => return Err(CommitError::Stale(id)),
                (Some(from), details) => {
                    self.changed.push(changed(from, &details, change));
                    self.from.push((id, from));
                }
            }
        }
        match catalogue.keys().next() {
            Some(id) => {
                let why = format!("product {id} was changed without a new version");
                Err(StoreError::Inconsistent(why).into())
            }
            None => Ok(()),
        }
    }

    /// What was opened and closed again never was.
    fn holds(&mut self, commit: &StockCommit) {
        let opened: FxHashSet<HoldId> = commit.opened.iter().map(|hold| hold.id).collect();
        let closed: FxHashSet<HoldId> = commit.closed.iter().map(|(_, hold)| *hold).collect();
        let stay = commit.opened.iter().filter(|hold| !closed.contains(&hold.id));
        self.opened = stay.map(document::hold).collect();
        let gone = commit.closed.iter().filter(|(_, hold)| !opened.contains(hold));
        self.closed = gone.map(|(product, hold)| document::hold_id(*product, *hold)).collect();
        let restored = commit.restored.iter().map(|hold| {
            rawdoc! {
                "q": { "_id": document::hold_id(hold.product, hold.id) },
                "u": document::hold(hold),
                "upsert": true,
            }
        });
        self.restored = restored.collect();
    }

    /// The first decision on a reservation says by its number whether there is one already: most are new, and an insert is
    /// much cheaper than a replacement.
    fn decisions(&mut self, decisions: &[Arc<Decision>]) -> Result<(), StoreError> {
        let mut order: Vec<ReservationId> = Vec::with_capacity(decisions.len());
        let mut first_and_last: FxHashMap<ReservationId, (u32, &Decision)> = FxHashMap::default();
        for decision in decisions {
            let known = first_and_last.entry(decision.id).or_insert_with(|| {
                order.push(decision.id);
                (decision.number, decision)
            });
            known.1 = decision;
        }
        for id in order {
            let Some((first, last)) = first_and_last.get(&id) else { continue };
            let document = document::decision(last)?;
            if *first == 1 {
                self.decided.push(document);
            } else {
                self.decided_again.push(rawdoc! {
                    "q": { "_id": id.key().as_i64(), "number": i64::from(*first) - 1 },
                    "u": document,
                });
            }
        }
        Ok(())
    }
}

/// What a commit does to a product besides its stock.
#[derive(Default)]
struct Details<'c> {
    product: Option<&'c Product>,
    created: bool,
    hidden: bool,
}

impl<'c> Details<'c> {
    fn of(&mut self, product: &'c Product) -> &mut Self {
        self.product = Some(product);
        self
    }
}

fn created(product: &Product, hidden: bool, change: &StockChange) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": object_id(product.id), "hidden": hidden };
    document::put_details(&mut document, product);
    document.append(cstr!("stock"), document::stock(change));
    document
}

fn changed(from: u64, details: &Details<'_>, change: &StockChange) -> RawDocumentBuf {
    let mut set = rawdoc! { "stock": document::stock(change) };
    if let Some(product) = details.product {
        document::put_details(&mut set, product);
    }
    if details.hidden {
        set.append(cstr!("hidden"), true);
    }
    rawdoc! {
        "q": { "_id": object_id(change.product), "stock.version": from.cast_signed() },
        "u": { "$set": set },
    }
}

/// Of several on one name the last one stays.
fn https(reservations: &[HttpReservation]) -> Vec<RawDocumentBuf> {
    let mut statements = Vec::with_capacity(reservations.len());
    for reservation in reservations {
        statements.push(rawdoc! {
            "q": { "_id": document::http_id(reservation.order.as_str(), reservation.product) },
            "u": document::http_reservation(reservation),
            "upsert": true,
        });
    }
    statements
}

fn records(commit: &StockCommit) -> Vec<Records> {
    let mut all: Vec<Records> = Vec::new();
    let mut bytes = 0;
    for outgoing in &commit.outgoing {
        let record = document::record(outgoing);
        let size = record.as_bytes().len();
        match all.last_mut() {
            Some(some) if some.count < RECORDS && bytes + size <= BYTES => {
                some.records.push(record);
                some.count += 1;
                bytes += size;
            }
            _ => {
                let mut records = RawArrayBuf::new();
                records.push(record);
                all.push(Records { records, count: 1 });
                bytes = size;
            }
        }
    }
    all
}
