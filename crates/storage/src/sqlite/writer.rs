//! The writer thread: group commit, a savepoint for each request.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::{Counter, Histogram, counter, histogram};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::checkpoint::Checkpoints;
use super::inbox;
use super::journal::Appender;
use super::tail::Tail;
use crate::error::StoreError;
use crate::inbox::ToPark;
use crate::position::Advance;
use crate::record::{Outgoing, Record};

/// Requests in one transaction: more gains nothing, and keeps the first ones waiting.
const MAX_BATCH: usize = 512;

/// What a request may do inside the transaction. All of it takes effect, or nothing.
pub struct WriteTx<'c> {
    connection: &'c Connection,
    appender: &'c mut Appender,
    after_commit: &'c mut Vec<Box<dyn FnOnce() + Send>>,
}

impl WriteTx<'_> {
    /// The connection, for the service's own tables. Use `prepare_cached`.
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    /// Appends a record to the journal; gives it with its place.
    ///
    /// # Errors
    /// If the store fails.
    pub fn append(&mut self, outgoing: Outgoing) -> Result<Arc<Record>, StoreError> {
        self.appender.append(self.connection, outgoing)
    }

    /// Moves a consumer's position.
    ///
    /// # Errors
    /// [`StoreError::StaleWorker`] if it is not where the worker left it.
    pub fn advance(&mut self, advance: &Advance) -> Result<(), StoreError> {
        inbox::advance(self.connection, advance)
    }

    /// Parks a message.
    ///
    /// # Errors
    /// If the store fails.
    pub fn park(&mut self, parked: &ToPark) -> Result<(), StoreError> {
        inbox::park(self.connection, parked)
    }

    /// Runs `effect` on the writer thread once the transaction is durable, before the request is answered and before
    /// consumers are woken: for caches that must never be behind what a client was told. Must be quick.
    pub fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(effect));
    }
}

/// One request, its result, and who waits for it.
pub(super) trait Job: Send {
    /// Runs it; says whether its effects stay.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool;
    /// Answers, after the commit. `failure` replaces a success that did not become durable.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

pub(super) struct Request<F, R, E> {
    pub(super) work: Option<F>,
    pub(super) result: Option<Result<R, E>>,
    pub(super) reply: oneshot::Sender<Result<R, E>>,
}

impl<F, R, E> Job for Request<F, R, E>
where
    F: FnOnce(&mut WriteTx<'_>) -> Result<R, E> + Send,
    R: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        // A defect in one request must not take the writer down with it.
        let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(StoreError::Inconsistent("a write request panicked".to_owned()).into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let result = match (self.result, failure) {
            (Some(Ok(_)) | None, Some(why)) => Err(StoreError::Unavailable(why.to_owned()).into()),
            (Some(result), _) => result,
            (None, None) => Err(StoreError::Unavailable("the request was not run".to_owned()).into()),
        };
        // Whoever asked may have gone away; the effect is durable all the same.
        let _ = self.reply.send(result);
    }
}

pub(super) struct Writer {
    /// Keeps other processes out.
    pub(super) _lock: File,
    pub(super) checkpoints: Checkpoints,
    pub(super) connection: Connection,
    pub(super) appender: Appender,
    pub(super) tail: Arc<Tail>,
    pub(super) queue: flume::Receiver<Box<dyn Job>>,
    /// Whether the last transaction failed.
    pub(super) failing: Arc<AtomicBool>,
    pub(super) measured: Measured,
}

/// What an operator sees of a writer.
pub(super) struct Measured {
    requests: Histogram,
    commit: Histogram,
    flush: Histogram,
    failures: Counter,
}

impl Measured {
    /// `database` is the file's name without its ending.
    pub(super) fn new(database: &str) -> Self {
        let labels = [("database", database.to_owned())];
        Self {
            requests: histogram!("store_commit_requests", &labels),
            commit: histogram!("store_commit_seconds", &labels),
            flush: histogram!("store_flush_seconds", &labels),
            failures: counter!("store_commit_failures_total", &labels),
        }
    }
}

impl Writer {
    /// Runs until every handle to the queue is gone, then folds the write-ahead log into the database.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            self.batch(first);
        }
        drop(self.checkpoints);
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the last checkpoint failed; the write-ahead log stays and is read at the next start");
        }
    }

    fn batch(&mut self, first: Box<dyn Job>) {
        let mut done: Vec<Box<dyn Job>> = Vec::with_capacity(64);
        let mut after_commit = Vec::new();
        let before = self.appender.mark();
        let start = Instant::now();
        let outcome = self.transaction(first, &mut done, &mut after_commit);
        self.failing.store(outcome.is_err(), Ordering::Release);
        let failure = match outcome {
            Ok(()) => {
                self.measured.requests.record(done.len() as f64);
                self.measured.commit.record(start.elapsed().as_secs_f64());
                for effect in after_commit {
                    effect();
                }
                self.tail.publish(self.appender.committed());
                None
            }
            Err(error) => {
                tracing::error!(%error, requests = done.len(), "a group commit failed");
                self.measured.failures.increment(1);
                if !self.connection.is_autocommit() {
                    // Nothing else can be done if this fails too; the next BEGIN will say so.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                self.appender.rewind(&before);
                Some(error.to_string())
            }
        };
        for job in done {
            job.answer(failure.as_deref());
        }
        self.checkpoints.after_commit(&self.connection);
    }

    fn transaction(
        &mut self,
        first: Box<dyn Job>,
        done: &mut Vec<Box<dyn Job>>,
        after_commit: &mut Vec<Box<dyn FnOnce() + Send>>,
    ) -> Result<(), StoreError> {
        let Self { connection, appender, queue, measured, .. } = self;
        let run = |sql: &str| -> Result<(), StoreError> {
            connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        let mut next = Some(first);
        let begun = run("BEGIN IMMEDIATE");
        while let Some(mut job) = next {
            if begun.is_ok() {
                let mark = appender.mark();
                let effects = after_commit.len();
                let saved = run("SAVEPOINT request");
                let keep = saved.is_ok() && {
                    let mut tx = WriteTx { connection, appender, after_commit };
                    job.run(&mut tx)
                };
                if !keep {
                    appender.rewind(&mark);
                    after_commit.truncate(effects);
                }
                done.push(job);
                saved?;
                if connection.is_autocommit() {
                    // SQLite rolled the whole transaction back (disk full, I/O error): nobody's effects are there.
                    return Err(StoreError::Unavailable("the transaction was rolled back".to_owned()));
                }
                if !keep {
                    run("ROLLBACK TO request")?;
                }
                run("RELEASE request")?;
            } else {
                done.push(job);
            }
            next = if done.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
        }
        begun?;
        appender.save(connection)?;
        let start = Instant::now();
        run("COMMIT")?;
        measured.flush.record(start.elapsed().as_secs_f64());
        Ok(())
    }
}
