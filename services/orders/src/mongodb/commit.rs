//! The one way to write.

use async_trait::async_trait;
use holdfast_contract::OrderId;
use holdfast_storage::mongodb::{Transaction, TransactionFault, is_duplicate, unavailable};
use holdfast_storage::{Advance, Outgoing, ParkedId, StoreError, ToPark};
use mongodb::ClientSession;
use mongodb::bson::{Document, RawArrayBuf, RawDocument, RawDocumentBuf, cstr, doc, rawdoc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ReturnDocument;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::document::{OrderWrite, Write, binary, date, fold, inconsistent, read_id, record, shard_of};
use super::writer::Request;
use super::{Collections, DUPLICATE_KEY, MongoOrders};
use crate::store::{Commit, CommitError, Committed, IdempotencyRecord, OrderWrites};

/// How often a batch is tried again whose orders are, when looked at, as it expected them.
const ATTEMPTS: usize = 3;
/// Statements of one command.
const STATEMENTS: usize = 1_000;

/// A commit, with everything encoded.
pub(super) struct Prepared {
    pub(super) writes: Vec<OrderWrite>,
    pub(super) idempotency: Option<RawDocumentBuf>,
    advances: Vec<Advance>,
    park: Vec<ToPark>,
    copies: Vec<Outgoing>,
    unpark: Option<ParkedId>,
    attempted: Vec<ParkedId>,
}

impl Prepared {
    fn new(commit: Commit) -> Result<Self, CommitError> {
        let Commit { changes, idempotency, advances, park, copies, unpark, attempted } = commit;
        Ok(Self {
            writes: fold(changes)?,
            idempotency: idempotency.as_ref().map(remember),
            advances,
            park,
            copies,
            unpark,
            attempted,
        })
    }

    /// Whether it is a client's: it concerns no consumer, and at most one order.
    fn is_small(&self) -> bool {
        self.advances.is_empty()
            && self.park.is_empty()
            && self.copies.is_empty()
            && self.unpark.is_none()
            && self.attempted.is_empty()
            && self.writes.len() <= 1
    }

    fn is_empty(&self) -> bool {
        self.is_small() && self.writes.is_empty() && self.idempotency.is_none()
    }
}

fn remember(record: &IdempotencyRecord) -> RawDocumentBuf {
    rawdoc! {
        "_id": binary(record.scope.to_vec()),
        "fingerprint": binary(record.fingerprint.to_vec()),
        "status": i32::from(record.status),
        "body": binary(record.body.to_vec()),
        "at": date(record.at),
    }
}

#[async_trait]
impl OrderWrites for MongoOrders {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let prepared = Prepared::new(commit)?;
        if prepared.is_empty() {
            return Ok(Committed { newest: None });
        }
        let sends = !prepared.copies.is_empty() || prepared.writes.iter().any(|write| write.sends);
        if prepared.is_small() {
            self.enqueue(prepared).await?;
        } else {
            // There are as many of these at a time as there are consumers.
            self.collections.commit(&[&prepared]).await?;
        }
        if sends {
            self.committed.send_modify(|commits| *commits += 1);
        }
        Ok(Committed { newest: None })
    }
}

impl MongoOrders {
    async fn enqueue(&self, prepared: Prepared) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let queued = match &*self.queue.lock() {
            Some(queue) => queue.try_send(Request { prepared, answer }).is_ok(),
            None => return Err(StoreError::Unavailable("the store is closed".to_owned()).into()),
        };
        if !queued {
            metrics::counter!("orders_commits_refused_total").increment(1);
            return Err(StoreError::Unavailable("too many commits wait for the database".to_owned()).into());
        }
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the store was closed before it answered".to_owned()).into())
        })
    }
}

/// Why a transaction was given up.
pub(super) enum Fault {
    Mongo(Error),
    Commit(CommitError),
    /// An order was not as expected; the statements do not say which.
    Mismatch,
}

impl Fault {
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Mongo(error) => unavailable(error),
            Self::Commit(CommitError::Store(error)) => error,
            Self::Commit(error) => inconsistent(&error),
            Self::Mismatch => inconsistent(&"an order was not as expected"),
        }
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

impl Collections {
    /// All of the commits, in one transaction.
    pub(super) async fn commit(&self, commits: &[&Prepared]) -> Result<(), CommitError> {
        for _ in 0..ATTEMPTS {
            match self.transaction(commits).await {
                Ok(()) => return Ok(()),
                Err(Fault::Mongo(error)) => return Err(unavailable(error).into()),
                Err(Fault::Commit(error)) => return Err(error),
                Err(Fault::Mismatch) => {
                    if let Some(id) = self.not_as_expected(commits).await? {
                        return Err(CommitError::VersionConflict(id));
                    }
                }
            }
        }
        Err(StoreError::Unavailable("the orders of this commit keep changing".to_owned()).into())
    }

    async fn transaction(&self, commits: &[&Prepared]) -> Result<(), Fault> {
        let mut transaction = Transaction::new(&self.mongo, "orders").await?;
        loop {
            transaction.begin().await?;
            let applied = self.apply(&mut transaction.session, commits).await;
            if transaction.end(applied).await?.is_some() {
                return Ok(());
            }
        }
    }

    async fn apply(&self, session: &mut ClientSession, commits: &[&Prepared]) -> Result<(), Fault> {
        // Cheap refusals first.
        for commit in commits {
            for advance in &commit.advances {
                self.mongo.advance::<Fault>(session, advance).await?;
            }
            if let Some(id) = commit.unpark
                && !self.mongo.unpark(session, id).await?
            {
                return Err(CommitError::ParkedGone.into());
            }
            self.mongo.attempted(session, &commit.attempted).await?;
        }
        let answers: Vec<&RawDocumentBuf> = commits.iter().filter_map(|c| c.idempotency.as_ref()).collect();
        if !answers.is_empty() {
            match self.idempotency.insert_many(answers).session(&mut *session).await {
                Ok(_) => {}
                Err(error) if is_duplicate(&error) => return Err(CommitError::IdempotencyTaken.into()),
                Err(error) => return Err(error.into()),
            }
        }
        self.insert_orders(session, commits).await?;
        let mut statements = RawArrayBuf::new();
        let mut count = 0;
        for write in commits.iter().flat_map(|commit| commit.writes.iter()).collect::<Vec<_>>() {
            let Write::Update { filter, update, .. } = &write.write else { continue };
            statements.push(rawdoc! { "q": filter.clone(), "u": update.clone() });
            count += 1;
            if count == STATEMENTS {
                let full = std::mem::replace(&mut statements, RawArrayBuf::new());
                self.update_expected(session, full, std::mem::take(&mut count)).await?;
            }
        }
        self.update_expected(session, statements, count).await?;
        let copies: Vec<&Outgoing> = commits.iter().flat_map(|commit| &commit.copies).collect();
        self.insert_copies(session, &copies).await?;
        for commit in commits {
            self.mongo.park::<Fault>(session, &commit.park).await?;
        }
        Ok(())
    }

    async fn insert_orders(&self, session: &mut ClientSession, commits: &[&Prepared]) -> Result<(), Fault> {
        let mut ids = Vec::new();
        let mut documents = Vec::new();
        for write in commits.iter().flat_map(|commit| &commit.writes) {
            if let Write::Insert(document) = &write.write {
                ids.push(write.id);
                documents.push(document);
            }
        }
        if documents.is_empty() {
            return Ok(());
        }
        let Err(error) = self.orders.insert_many(documents).session(session).await else { return Ok(()) };
        let ErrorKind::InsertMany(failed) = &*error.kind else { return Err(error.into()) };
        let taken = failed.write_errors.iter().flatten().find(|e| e.code == DUPLICATE_KEY);
        match taken.and_then(|e| ids.get(e.index)) {
            Some(id) => Err(CommitError::AlreadyExists(*id).into()),
            None => Err(error.into()),
        }
    }

    async fn update_expected(
        &self,
        session: &mut ClientSession,
        statements: RawArrayBuf,
        count: usize,
    ) -> Result<(), Fault> {
        if count == 0 {
            return Ok(());
        }
        let updated = self.update_orders(statements, Some(session)).await?;
        if updated == count { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// Several updates by one command; says how many of them found their order. Without a session each takes effect on
    /// its own.
    pub(super) async fn update_orders(
        &self,
        statements: RawArrayBuf,
        session: Option<&mut ClientSession>,
    ) -> Result<usize, Fault> {
        let mut command = rawdoc! { "update": self.orders.name(), "updates": statements };
        let database = self.mongo.database();
        let answer = match session {
            // In order, so that it stops at the first fault: the transaction has failed then.
            Some(session) => database.run_raw_command(command).session(session).await?,
            None => {
                command.append(cstr!("ordered"), false);
                command.append(cstr!("writeConcern"), rawdoc! { "w": "majority", "j": true });
                self.mongo.unhindered(database.run_raw_command(command).into_future()).await?
            }
        };
        for fault in ["writeErrors", "writeConcernError"] {
            if let Some(fault) = answer.get(fault) {
                return Err(StoreError::Unavailable(format!("an update failed: {fault}")).into());
            }
        }
        let found = answer.get_i32("n").map_err(|e| inconsistent(&e))?;
        Ok(usize::try_from(found).unwrap_or(0))
    }

    /// A change of one order: one compare-and-set.
    pub(super) async fn update_order(
        &self,
        id: OrderId,
        filter: &RawDocument,
        update: &RawDocument,
    ) -> Result<(), CommitError> {
        let document = |raw: &RawDocument| Document::try_from(raw).map_err(|e| inconsistent(&e));
        let update = self.orders.update_one(document(filter)?, document(update)?);
        let updated = self.mongo.unhindered(update.into_future()).await;
        if updated.map_err(unavailable)?.matched_count == 1 {
            Ok(())
        } else {
            Err(CommitError::VersionConflict(id))
        }
    }

    /// Copies have no document of an order to be in. They are numbered, so that they go out in their order; they are rare,
    /// so it does not matter that their commits queue for the number.
    async fn insert_copies(&self, session: &mut ClientSession, copies: &[&Outgoing]) -> Result<(), Fault> {
        if copies.is_empty() {
            return Ok(());
        }
        let count = copies.len() as i64;
        let counted = self
            .counters
            .find_one_and_update(doc! { "_id": "copies" }, doc! { "$inc": { "last": count } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .session(&mut *session)
            .await?
            .ok_or_else(|| inconsistent(&"copies are not counted"))?;
        let last = counted.get_i64("last").map_err(|e| inconsistent(&e))?;
        let documents = copies.iter().zip(last - count + 1..).map(|(copy, number)| {
            rawdoc! {
                "_id": number,
                "shard": shard_of(&copy.key),
                "key": binary(copy.key.to_vec()),
                "record": record(copy),
            }
        });
        self.copies.insert_many(documents).session(session).await?;
        Ok(())
    }

    /// The first order that is not at the version that these commits expect.
    async fn not_as_expected(&self, commits: &[&Prepared]) -> Result<Option<OrderId>, StoreError> {
        let mut expected = Vec::new();
        for write in commits.iter().flat_map(|commit| &commit.writes) {
            if let Write::Update { version, .. } = &write.write {
                expected.push((write.id, version.cast_signed()));
            }
        }
        let ids: Vec<i64> = expected.iter().map(|(id, _)| id.key().as_i64()).collect();
        let find =
            self.orders.find(doc! { "_id": { "$in": ids } }).projection(doc! { "_id": 1, "version": 1 });
        let mut found = find.await.map_err(unavailable)?;
        let mut versions = FxHashMap::default();
        while found.advance().await.map_err(unavailable)? {
            let document = found.current();
            let version = document.get_i64("version").map_err(|e| inconsistent(&e))?;
            versions.insert(read_id(document)?, version);
        }
        Ok(expected.into_iter().find(|(id, version)| versions.get(id) != Some(version)).map(|(id, _)| id))
    }
}
