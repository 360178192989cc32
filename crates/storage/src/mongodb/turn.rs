//! Waiting for a lease. Who waits is written down, so that the holder can pass the lease on to whoever has waited longest.

use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, ReadConcern, WriteConcern};
use mongodb::{ClientSession, Collection};
use tokio::time::Instant;

use super::lease::{Lease, until};
use super::{LEASES, Mongo, WAITING, unavailable};
use crate::error::StoreError;

/// Between two looks at a lease that somebody else has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a note says that its owner waits.
const NOTED: Duration = Duration::from_secs(1);

impl Mongo {
    /// As [`Mongo::lease`], but waits for it; `None` if `patience` is over. The lease comes from its holder by
    /// [`Mongo::pass_lease`], or when it ends. All transactions that hold it must be of `session`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wait_for_lease(
        &self,
        name: &str,
        session: &ClientSession,
        lasts: Duration,
        patience: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let give_up = Instant::now() + patience;
        let mut note_at: Option<Instant> = None;
        let taken = loop {
            if self.may_have(name).await?
                && let Some(lease) = self.lease_with(name, lasts, Some(session.id())).await?
            {
                break Some(lease);
            }
            let now = Instant::now();
            if now >= give_up {
                break None;
            }
            if note_at.is_none_or(|at| at <= now) {
                self.note(name).await?;
                note_at = Some(now + NOTED / 2);
            }
            // Nothing tells of a lease that ends or is passed on; it has to be looked at.
            tokio::time::sleep(LOOK_EVERY).await;
        };
        if note_at.is_some() {
            let note = self.waiting().delete_one(doc! { "_id": self.note_id(name) }).await;
            if let Err(error) = note {
                tracing::debug!(%error, "a note of who waits stays for a moment");
            }
        }
        Ok(taken)
    }

    /// Whether it is worth trying to take the lease.
    async fn may_have(&self, name: &str) -> Result<bool, StoreError> {
        let leases = self.database.collection::<Document>(LEASES);
        let mine_or_free = doc! { "_id": name, "$expr": { "$or": [
            { "$eq": ["$holder", self.instance] },
            { "$lte": ["$until", "$$NOW"] },
        ] } };
        let Some(found) = leases.find_one(mine_or_free).await.map_err(unavailable)? else {
            // Held, or never there.
            let there = leases.find_one(doc! { "_id": name }).await.map_err(unavailable)?;
            return Ok(there.is_none());
        };
        let another = found.get_object_id("holder").is_ok_and(|holder| holder != self.instance);
        let ended = found.get_datetime("until").is_ok_and(|until| *until == DateTime::MIN);
        if another && !ended {
            self.end_transaction_of(&found).await;
        }
        Ok(true)
    }

    /// Who let the lease run out may be gone in the middle of a transaction. The server would keep that, with everything
    /// that it has locked, for a minute.
    async fn end_transaction_of(&self, lease: &Document) {
        let Ok(session) = lease.get_document("session") else { return };
        if let Err(error) = self.end_transactions(session).await {
            tracing::warn!(%error, "what an instance that is gone has left open could not be ended; it ends by itself");
        }
    }

    /// Ends what is left of a session's transactions on the server.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_transactions(&self, session: &Document) -> Result<(), StoreError> {
        let kill = doc! { "killSessions": [session.clone()] };
        self.client.database("admin").run_command(kill).await.map(drop).map_err(unavailable)
    }

    /// Passes a lease that is held as `lease` says to whoever has waited for it longest, for `lasts` unless they make it
    /// longer. Says whether somebody waits; if so, it is no longer held.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then it may be passed on or not.
    pub async fn pass_lease(&self, name: &str, lease: Lease, lasts: Duration) -> Result<bool, StoreError> {
        let waits = doc! {
            "lease": name,
            "by": { "$ne": self.instance },
            "$expr": { "$gt": ["$until", "$$NOW"] },
        };
        // Looked for before it is taken: hardly ever does anybody wait, and a look costs less.
        if self.waiting().find_one(waits.clone()).await.map_err(unavailable)?.is_none() {
            return Ok(false);
        }
        let first = self.waiting().find_one_and_delete(waits).sort(doc! { "since": 1 }).await;
        let Some(first) = first.map_err(unavailable)? else { return Ok(false) };
        let next = first.get_object_id("by").map_err(|error| {
            StoreError::Inconsistent(format!("a note of who waits for {name} cannot be read: {error}"))
        })?;
        let mine = doc! { "_id": name, "holder": self.instance, "fence": lease.fence };
        let pass = doc! { "$set": { "holder": next, "fence": lease.fence + 1, "until": until(lasts) } };
        let leases = self.database.collection::<Document>(LEASES);
        leases.update_one(mine, vec![pass]).await.map_err(unavailable)?;
        Ok(true)
    }

    async fn note(&self, name: &str) -> Result<(), StoreError> {
        let note = doc! { "$set": {
            "lease": name,
            "by": self.instance,
            "since": { "$ifNull": ["$since", "$$NOW"] },
            "until": until(NOTED),
        } };
        let waiting = self.waiting();
        let noted = waiting.update_one(doc! { "_id": self.note_id(name) }, vec![note]).upsert(true);
        noted.await.map(drop).map_err(unavailable)
    }

    fn note_id(&self, name: &str) -> String {
        format!("{name}/{}", self.instance)
    }

    /// Notes need not outlive a crash, only be quick.
    fn waiting(&self) -> Collection<Document> {
        let quick = CollectionOptions::builder()
            .read_concern(ReadConcern::local())
            .write_concern(WriteConcern::builder().w(Acknowledgment::Nodes(1)).build())
            .build();
        self.database.collection_with_options(WAITING, quick)
    }
}
