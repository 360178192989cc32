//! Transactions of this store: a loop in the open, since a future that borrows what it commits is not `Send` as a closure.

use holdfast_storage::mongodb::Mongo;
use mongodb::ClientSession;
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};

use super::commit::Fault;

/// How often a transaction that got in the way of another one is run again.
const ATTEMPTS: u32 = 30;
/// How often the server is asked again whether a commit took effect.
const COMMITS: u32 = 5;

/// A transaction and its repetitions.
pub(super) struct Transaction {
    pub(super) session: ClientSession,
    attempt: u32,
}

impl Transaction {
    pub(super) async fn new(mongo: &Mongo) -> Result<Self, Error> {
        Ok(Self { session: mongo.client().start_session().await?, attempt: 0 })
    }

    /// Begins it, perhaps again.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.attempt += 1;
        // Whoever it collided with needs a moment to finish: back-off, not synchronisation.
        if self.attempt > 2 {
            let pause = std::time::Duration::from_millis(u64::from(self.attempt.min(20)));
            tokio::time::sleep(pause).await;
        }
        self.session.start_transaction().await
    }

    /// Commits what was done, or takes it back. `false`: the server says that it may be run again.
    pub(super) async fn end(&mut self, done: Result<(), Fault>) -> Result<bool, Fault> {
        let fault = match done {
            Ok(()) => match self.commit().await {
                Ok(()) => {
                    metrics::counter!("mongodb_transactions_total", "name" => "orders", "outcome" => "committed")
                        .increment(1);
                    return Ok(true);
                }
                Err(error) => Fault::Mongo(error),
            },
            Err(fault) => {
                // If even that fails, the server does it when the session's time is over.
                let _ = self.session.abort_transaction().await;
                fault
            }
        };
        match fault {
            Fault::Mongo(error)
                if error.contains_label(TRANSIENT_TRANSACTION_ERROR) && self.attempt < ATTEMPTS =>
            {
                metrics::counter!("mongodb_transaction_retries_total", "name" => "orders").increment(1);
                Ok(false)
            }
            fault => {
                metrics::counter!("mongodb_transactions_total", "name" => "orders", "outcome" => "failed")
                    .increment(1);
                Err(fault)
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        for _ in 1..COMMITS {
            match self.session.commit_transaction().await {
                Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {}
                other => return other,
            }
        }
        self.session.commit_transaction().await
    }
}
