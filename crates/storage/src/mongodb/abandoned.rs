//! Transactions that nobody goes on with. A process that dies in the middle of one leaves it open: the server keeps it, with
//! everything that it has locked, for a minute, and whoever wants to take over waits for it.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::{DatabaseOptions, ReadConcern};

use super::Mongo;

/// A transaction that is alive is spoken to every few milliseconds.
const ABANDONED_AFTER: Duration = Duration::from_secs(2);

impl Mongo {
    /// Ends the transactions of clients of this name to which nobody has spoken for two seconds; says how many there were.
    /// Safe at any time: whoever still works with one is told to run it again.
    ///
    /// # Errors
    /// The driver's.
    pub async fn end_abandoned(&self) -> Result<usize, Error> {
        let inactive = i64::try_from(ABANDONED_AFTER.as_micros()).unwrap_or(i64::MAX);
        // What runs now is read with no other concern.
        let here = DatabaseOptions::builder().read_concern(ReadConcern::local()).build();
        let admin = self.client.database_with_options("admin", here);
        // One's own user's, which needs no privilege.
        let mut found = admin
            .aggregate([
                doc! { "$currentOp": { "allUsers": false, "idleSessions": true } },
                doc! { "$match": {
                    "type": "idleSession",
                    "appName": &self.app_name,
                    "transaction.timeInactiveMicros": { "$gt": inactive },
                } },
                doc! { "$project": { "lsid.id": 1 } },
            ])
            .await?;
        let mut sessions = Vec::new();
        while found.advance().await? {
            let session = found.deserialize_current()?;
            sessions.extend(session.get_document("lsid").ok().cloned());
        }
        if sessions.is_empty() {
            return Ok(0);
        }
        tracing::warn!(transactions = sessions.len(), "ended transactions that nobody went on with");
        let count = sessions.len();
        self.end_sessions(sessions).await?;
        Ok(count)
    }

    /// Waits for a write outside of transactions. On the server that waits for the transaction that has locked what it
    /// writes; if it takes long, this looks whether that is one that nobody goes on with.
    pub async fn unhindered<T>(&self, write: impl Future<Output = T>) -> T {
        tokio::pin!(write);
        loop {
            tokio::select! {
                done = &mut write => return done,
                () = tokio::time::sleep(ABANDONED_AFTER) => {
                    if let Err(error) = self.end_abandoned().await {
                        tracing::debug!(%error, "cannot look for transactions that nobody goes on with");
                    }
                }
            }
        }
    }

    /// Ends what the server does for these sessions, named as [`mongodb::ClientSession::id`] names them.
    pub(super) async fn end_sessions(&self, sessions: Vec<Document>) -> Result<(), Error> {
        self.client.database("admin").run_command(doc! { "killSessions": sessions }).await.map(drop)
    }
}
