//! Transactions: named, metered, tried again as often as the server asks for it, up to a bound.

use mongodb::ClientSession;
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};

use super::Mongo;

/// How often a transaction that got in the way of another one is run again.
const ATTEMPTS: u32 = 30;
/// How often the server is asked again whether a commit took effect.
const COMMITS: u32 = 5;

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

impl Mongo {
    /// Runs `work` in a transaction and commits it, durably on a majority. `work` is run again from its beginning when the
    /// server says that the transaction may be, so it must not change anything but through the session.
    ///
    /// # Errors
    /// What `work` gives: then nothing took effect. The driver's error: then nothing took effect, or, if it comes from the
    /// commit itself, perhaps everything.
    pub async fn transaction<T, F: TransactionFault>(
        &self,
        name: &'static str,
        work: impl AsyncFn(&mut ClientSession) -> Result<T, F>,
    ) -> Result<T, F> {
        let mut session = self.client.start_session().await?;
        let mut attempt = 1;
        loop {
            session.start_transaction().await?;
            let error = match work(&mut session).await {
                Ok(done) => match commit(&mut session).await {
                    Ok(()) => {
                        metrics::counter!("mongodb_transactions_total", "name" => name, "outcome" => "committed")
                            .increment(1);
                        return Ok(done);
                    }
                    Err(error) => F::from(error),
                },
                Err(fault) => {
                    // If even that fails, the server does it when the session's time is over.
                    let _ = session.abort_transaction().await;
                    fault
                }
            };
            let transient = error.driver().is_some_and(|e| e.contains_label(TRANSIENT_TRANSACTION_ERROR));
            if !transient || attempt == ATTEMPTS {
                metrics::counter!("mongodb_transactions_total", "name" => name, "outcome" => "failed")
                    .increment(1);
                return Err(error);
            }
            metrics::counter!("mongodb_transaction_retries_total", "name" => name).increment(1);
            attempt += 1;
            // Whoever it collided with needs a moment to finish: back-off, not synchronisation.
            if attempt > 2 {
                let pause = std::time::Duration::from_millis(u64::from(attempt.min(20)));
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn commit(session: &mut ClientSession) -> Result<(), Error> {
    for _ in 1..COMMITS {
        match session.commit_transaction().await {
            Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {}
            other => return other,
        }
    }
    session.commit_transaction().await
}
