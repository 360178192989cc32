//! Transactions: named, metered, tried again as often as the server asks for it, up to a bound.

use std::time::Duration;

use mongodb::ClientSession;
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use tokio::time::Instant;

use super::Mongo;

/// How often a transaction that got in the way of another one is run again.
const ATTEMPTS: u32 = 30;
/// How often the server is asked again whether a commit took effect.
const COMMITS: u32 = 5;
/// After so many collisions in a row it looks whether it collides with what nobody goes on with.
const LOOK_AFTER: u32 = 10;
/// Neither is begun again after so long: who waits for the transaction should hear of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the work of a transaction stopped.
pub trait TransactionFault: From<Error> {
    /// The driver's error, if that is what it is: then the transaction may be run again.
    fn driver(&self) -> Option<&Error>;
}

impl TransactionFault for Error {
    fn driver(&self) -> Option<&Error> {
        Some(self)
    }
}

/// A transaction and its repetitions, as a loop in the open: for work that borrows what it commits, of which no closure
/// makes a future that can be sent. Begin it, do the work through its session, and end it, until that gives something.
pub struct Transaction {
    /// What the work is done through.
    pub session: ClientSession,
    mongo: Mongo,
    name: &'static str,
    attempt: u32,
    since: Instant,
}

impl Transaction {
    /// Touches no server yet. `name` is for metrics.
    ///
    /// # Errors
    /// The driver's.
    pub async fn new(mongo: &Mongo, name: &'static str) -> Result<Self, Error> {
        Ok(Self::over(mongo, mongo.client.start_session().await?, name))
    }

    /// As [`Transaction::new`], over a session that was used before and has no transaction under way.
    pub fn over(mongo: &Mongo, session: ClientSession, name: &'static str) -> Self {
        Self { session, mongo: mongo.clone(), name, attempt: 0, since: Instant::now() }
    }

    /// Begins it, perhaps again.
    ///
    /// # Errors
    /// The driver's.
    pub async fn begin(&mut self) -> Result<(), Error> {
        self.attempt += 1;
        // Whoever it collided with needs a moment to finish: back-off, not synchronisation.
        if self.attempt > 2 {
            let pause = Duration::from_millis(u64::from(self.attempt.min(20)));
            tokio::time::sleep(pause).await;
        }
        if self.attempt.is_multiple_of(LOOK_AFTER)
            && let Err(error) = self.mongo.end_abandoned().await
        {
            tracing::debug!(%error, "cannot look for transactions that nobody goes on with");
        }
        self.session.start_transaction().await
    }

    /// Commits what was done, durably on a majority, or takes it back. `None`: the server says that it may be run again.
    ///
    /// # Errors
    /// What the work gave: then nothing took effect. The driver's: then nothing took effect, or, if it comes from the commit
    /// itself, perhaps everything.
    pub async fn end<T, F: TransactionFault>(&mut self, done: Result<T, F>) -> Result<Option<T>, F> {
        let name = self.name;
        let (fault, open) = match done {
            Ok(done) => match self.commit().await {
                Ok(()) => {
                    metrics::counter!("mongodb_transactions_total", "name" => name, "outcome" => "committed")
                        .increment(1);
                    return Ok(Some(done));
                }
                Err(error) => (F::from(error), true),
            },
            Err(fault) => (fault, self.session.abort_transaction().await.is_err()),
        };
        let transient = fault.driver().is_some_and(|e| e.contains_label(TRANSIENT_TRANSACTION_ERROR));
        if !transient || self.attempt == ATTEMPTS || self.since.elapsed() > PATIENCE {
            if open {
                // Committed or not, it is not to keep what it has locked; if that fails too, others end it.
                let _ = self.mongo.end_sessions(vec![self.session.id().clone()]).await;
            }
            metrics::counter!("mongodb_transactions_total", "name" => name, "outcome" => "failed")
                .increment(1);
            return Err(fault);
        }
        metrics::counter!("mongodb_transaction_retries_total", "name" => name).increment(1);
        Ok(None)
    }

    async fn commit(&mut self) -> Result<(), Error> {
        for _ in 1..COMMITS {
            match self.session.commit_transaction().await {
                Err(error)
                    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                        && self.since.elapsed() < PATIENCE => {}
                other => return other,
            }
        }
        self.session.commit_transaction().await
    }
}

impl Mongo {
    /// Runs `work` in a transaction and commits it, durably on a majority. `work` is run again from its beginning when the
    /// server says that the transaction may be, so it must not change anything but through the session.
    ///
    /// # Errors
    /// As [`Transaction::end`].
    pub async fn transaction<T, F: TransactionFault>(
        &self,
        name: &'static str,
        work: impl AsyncFn(&mut ClientSession) -> Result<T, F>,
    ) -> Result<T, F> {
        let mut transaction = Transaction::new(self, name).await?;
        loop {
            transaction.begin().await?;
            let done = work(&mut transaction.session).await;
            if let Some(done) = transaction.end(done).await? {
                return Ok(done);
            }
        }
    }
}
