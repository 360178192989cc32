//! The one way to write.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use holdfast_contract::{ProductId, Timestamp};
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::{Transaction, TransactionFault, is_duplicate, unavailable};
use mongodb::bson::{RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::error::{Error, ErrorKind};
use mongodb::{ClientSession, Collection};
use rustc_hash::FxHashMap;

use super::document::{date, object_id};
use super::fields::Fields;
use super::prepared::Prepared;
use super::{Collections, MongoProducts, TURN, TURN_LASTS, outbox, schema};
use crate::store::stored::inconsistent;
use crate::store::{CommitError, StockCommit, StockWrites};

/// Idempotency records forgotten by one call.
const FORGET: i64 = 1_000;

#[async_trait]
impl StockWrites for MongoProducts {
    async fn commit(&self, commit: StockCommit) -> Result<(), CommitError> {
        if commit.is_empty() {
            return Ok(());
        }
        if self.collections.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()).into());
        }
        let sends = !commit.outgoing.is_empty();
        let prepared = Prepared::new(&commit)?;
        self.collections.commit(&prepared).await?;
        if sends {
            self.committed.send_modify(|commits| *commits += 1);
        }
        Ok(())
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<usize, StoreError> {
        let idempotency = &self.collections.idempotency;
        let find = idempotency
            .find(doc! { "at": { "$lt": date(before) } })
            .sort(doc! { "at": 1 })
            .limit(FORGET)
            .projection(doc! { "_id": 1 });
        let mut found = find.await.map_err(unavailable)?;
        let mut ids = Vec::new();
        while found.advance().await.map_err(unavailable)? {
            let id = found.current().get_binary("_id").map_err(|e| inconsistent("idempotency", e))?;
            ids.push(super::document::binary(id.bytes));
        }
        if ids.is_empty() {
            return Ok(0);
        }
        let gone = idempotency.delete_many(doc! { "_id": { "$in": &ids } }).await.map_err(unavailable)?;
        Ok(usize::try_from(gone.deleted_count).unwrap_or(ids.len()))
    }
}

/// Why a transaction was given up.
enum Fault {
    Mongo(Error),
    Commit(CommitError),
    /// A product was not at the version that its change was made from; the statements do not say which.
    StaleProduct,
    /// The id or the SKU of a new product is taken.
    TakenProduct(ProductId),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Mongo(error)
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

impl TransactionFault for Fault {
    fn driver(&self) -> Option<&Error> {
        match self {
            Self::Mongo(error) => Some(error),
            _ => None,
        }
    }
}

/// Somebody else has decided meanwhile, which does not show in a product.
fn overtaken(what: &str) -> Fault {
    StoreError::Unavailable(format!("{what} was written by somebody else")).into()
}

impl Collections {
    async fn commit(&self, prepared: &Prepared) -> Result<(), CommitError> {
        let fault = match self.transaction(prepared).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        Err(match fault {
            Fault::Mongo(error) => unavailable(error).into(),
            Fault::Commit(error) => error,
            Fault::StaleProduct => CommitError::Stale(self.stale_product(&prepared.from).await?),
            Fault::TakenProduct(id) => {
                let same =
                    self.products.find_one(doc! { "_id": object_id(id) }).projection(doc! { "_id": 1 });
                match same.await.map_err(unavailable)? {
                    Some(_) => CommitError::Stale(id),
                    None => StoreError::Unavailable(format!("the SKU of product {id} was taken")).into(),
                }
            }
        })
    }

    async fn transaction(&self, prepared: &Prepared) -> Result<(), Fault> {
        let mut kept = self.session.lock().await;
        let session = match kept.take() {
            Some(session) => session,
            // The one that the turn was taken with was lost in the middle of something.
            None if prepared.turn.is_some() => return Err(CommitError::TurnLost.into()),
            None => self.mongo.client().start_session().await?,
        };
        let mut transaction = Transaction::over(&self.mongo, session, "products");
        let done = loop {
            if let Err(error) = transaction.begin().await {
                break Err(error.into());
            }
            let applied = self.apply(&mut transaction.session, prepared).await;
            match transaction.end(applied).await {
                Ok(None) => {}
                Ok(Some(())) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        *kept = Some(transaction.session);
        if matches!(done, Err(Fault::Mongo(_))) {
            self.untidy.store(true, Ordering::Release);
        }
        done
    }

    /// In the order in which refusals are cheapest.
    async fn apply(&self, session: &mut ClientSession, prepared: &Prepared) -> Result<(), Fault> {
        let mongo = &self.mongo;
        let count = match prepared.turn {
            Some(lease) => {
                let held = mongo.hold_lease(session, TURN, lease, TURN_LASTS).await?;
                held.ok_or(CommitError::TurnLost)?
            }
            None => {
                let counted = mongo.count_in_lease(session, TURN).await?;
                counted.ok_or_else(|| inconsistent("turn", "the database was not prepared"))?
            }
        };
        mongo.advance_all::<Fault>(session, &prepared.advances).await?;
        for id in &prepared.unpark {
            if !mongo.unpark(session, *id).await? {
                return Err(CommitError::AlreadyUnparked.into());
            }
        }
        self.write_products(session, prepared).await?;
        if let Some(place) = insert(&self.movements, session, &prepared.movements).await? {
            // Its number is taken, so this decider's count is old.
            let product = prepared.moved.get(place).copied();
            return Err(product.map_or_else(|| overtaken("the ledger"), |id| CommitError::Stale(id).into()));
        }
        self.write_holds(session, prepared).await?;
        self.write_decisions(session, prepared).await?;
        mongo.update_each(session, schema::HTTP_RESERVATIONS, &prepared.http).await?;
        if insert(&self.idempotency, session, &prepared.idempotent).await?.is_some() {
            return Err(overtaken("the answer to the same request"));
        }
        mongo.attempted(session, &prepared.attempted).await?;
        self.write_outgoing(session, prepared, count).await?;
        mongo.park::<Fault>(session, &prepared.park).await?;
        Ok(())
    }

    async fn write_products(&self, session: &mut ClientSession, prepared: &Prepared) -> Result<(), Fault> {
        if let Some(place) = insert(&self.products, session, &prepared.created).await? {
            let id = prepared.created_ids.get(place).copied();
            return Err(id.map_or_else(|| overtaken("a product"), Fault::TakenProduct));
        }
        let changed = self.mongo.update_each(session, schema::PRODUCTS, &prepared.changed).await?;
        if changed == prepared.changed.len() { Ok(()) } else { Err(Fault::StaleProduct) }
    }

    async fn write_holds(&self, session: &mut ClientSession, prepared: &Prepared) -> Result<(), Fault> {
        if insert(&self.holds, session, &prepared.opened).await?.is_some() {
            return Err(overtaken("a hold"));
        }
        self.mongo.update_each(session, schema::HOLDS, &prepared.restored).await?;
        if prepared.closed.is_empty() {
            return Ok(());
        }
        let mut closed = RawArrayBuf::new();
        for id in &prepared.closed {
            closed.push(id);
        }
        let command = rawdoc! {
            "delete": schema::HOLDS,
            "deletes": [{ "q": { "_id": { "$in": closed } }, "limit": 0 }],
        };
        let answer = self.mongo.database().run_raw_command(command).session(session).await?;
        let gone = answer.get_i32("n").map_err(|e| inconsistent("holds", e))?;
        // Every product is at the version that this was decided from.
        if usize::try_from(gone).ok() == Some(prepared.closed.len()) {
            Ok(())
        } else {
            Err(inconsistent("holds", "one that is closed is not open").into())
        }
    }

    async fn write_decisions(&self, session: &mut ClientSession, prepared: &Prepared) -> Result<(), Fault> {
        if insert(&self.reservations, session, &prepared.decided).await?.is_some() {
            return Err(overtaken("a decision"));
        }
        let again = &prepared.decided_again;
        let replaced = self.mongo.update_each(session, schema::RESERVATIONS, again).await?;
        if replaced == again.len() { Ok(()) } else { Err(overtaken("a decision")) }
    }

    async fn write_outgoing(
        &self,
        session: &mut ClientSession,
        prepared: &Prepared,
        count: i64,
    ) -> Result<(), Fault> {
        let mut number = outbox::first_number(count);
        let mut documents = Vec::with_capacity(prepared.outgoing.len());
        for some in &prepared.outgoing {
            documents.push(outbox::document(number, some));
            number += some.count as i64;
        }
        if number > outbox::first_number(count + 1) {
            return Err(inconsistent("outbox", "more records than a commit can have").into());
        }
        match insert(&self.outbox, session, &documents).await? {
            Some(_) => Err(inconsistent("outbox", "the number of a commit was used before").into()),
            None => Ok(()),
        }
    }

    async fn stale_product(&self, from: &[(ProductId, u64)]) -> Result<ProductId, StoreError> {
        let ids: Vec<_> = from.iter().map(|(id, _)| object_id(*id)).collect();
        let find = self.products.find(doc! { "_id": { "$in": ids } }).projection(doc! { "stock.version": 1 });
        let mut found = find.await.map_err(unavailable)?;
        let mut versions: FxHashMap<ProductId, u64> = FxHashMap::default();
        while found.advance().await.map_err(unavailable)? {
            let fields = Fields(found.current());
            versions.insert(fields.product("_id")?, fields.within("stock")?.number("version")?);
        }
        let stale = from.iter().find(|(id, version)| versions.get(id) != Some(version));
        stale
            .map(|(id, _)| *id)
            .ok_or_else(|| StoreError::Unavailable("the products of this commit keep changing".to_owned()))
    }
}

/// Inserts documents, as part of the transaction; gives the place of the first whose name is taken. The transaction is void
/// then.
async fn insert(
    collection: &Collection<RawDocumentBuf>,
    session: &mut ClientSession,
    documents: &[RawDocumentBuf],
) -> Result<Option<usize>, Fault> {
    if documents.is_empty() {
        return Ok(None);
    }
    let Err(error) = collection.insert_many(documents).session(session).await else { return Ok(None) };
    if !is_duplicate(&error) {
        return Err(error.into());
    }
    Ok(Some(match &*error.kind {
        ErrorKind::InsertMany(failed) => failed.write_errors.iter().flatten().next().map_or(0, |e| e.index),
        _ => 0,
    }))
}
