//! Waiting for a lease. Who waits is written down, so that the holder can pass the lease on to whoever has waited longest.

use std::time::Duration;

use mongodb::bson::{Document, doc};
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
    /// [`Mongo::pass_lease`], or when it ends.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wait_for_lease(
        &self,
        name: &str,
        lasts: Duration,
        patience: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        if let Some(lease) = self.lease(name, lasts).await? {
            return Ok(Some(lease));
        }
        let waited = self.wait(name, lasts, patience).await;
        let note = self.waiting().delete_one(doc! { "_id": self.note_id(name) }).await;
        if let Err(error) = note {
            tracing::debug!(%error, "a note of who waits stays for a moment");
        }
        waited
    }

    async fn wait(
        &self,
        name: &str,
        lasts: Duration,
        patience: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let leases = self.database.collection::<Document>(LEASES);
        let mine_or_free = doc! { "$or": [
            { "$eq": ["$holder", self.instance] },
            { "$lte": ["$until", "$$NOW"] },
        ] };
        let give_up = Instant::now() + patience;
        let mut note_at = Instant::now();
        while Instant::now() < give_up {
            if note_at <= Instant::now() {
                self.note(name).await?;
                note_at = Instant::now() + NOTED / 2;
            }
            let look = leases.find_one(doc! { "_id": name, "$expr": mine_or_free.clone() });
            if look.await.map_err(unavailable)?.is_some()
                && let Some(lease) = self.lease(name, lasts).await?
            {
                return Ok(Some(lease));
            }
            // Nothing tells of a lease that ends or is passed on; it has to be looked at.
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
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

    fn waiting(&self) -> mongodb::Collection<Document> {
        self.database.collection(WAITING)
    }
}
