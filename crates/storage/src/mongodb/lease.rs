//! Leases: one holder at a time, by the server's clock, with a number that grows with every change of the holder.

use std::time::Duration;

use mongodb::ClientSession;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::Error;
use mongodb::options::ReturnDocument;

use super::{LEASES, Mongo, is_duplicate, unavailable};
use crate::error::StoreError;

/// A lease that was held when the server last said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every change of the holder: an older number is a former holder's.
    pub fence: i64,
}

impl Mongo {
    /// Takes the lease `name`, or makes one's own last longer: until `lasts` from now on the server's clock. `None` while
    /// somebody else has it. Holders are handles made by [`Mongo::new`]; clones are the same holder.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lease(&self, name: &str, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        self.lease_with(name, lasts, None).await
    }

    /// As [`Mongo::lease`], with the id of the session whose transactions will hold it.
    pub(super) async fn lease_with(
        &self,
        name: &str,
        lasts: Duration,
        session: Option<&Document>,
    ) -> Result<Option<Lease>, StoreError> {
        let leases = self.database.collection::<Document>(LEASES);
        let mine = doc! { "$eq": ["$holder", self.instance] };
        let take = vec![doc! { "$set": {
            "fence": { "$cond": [mine.clone(), "$fence", { "$add": ["$fence", 1_i64] }] },
            "holder": self.instance,
            "until": until(lasts),
            "session": { "$literal": session.cloned() },
        } }];
        for _ in 0..2 {
            let free =
                doc! { "_id": name, "$expr": { "$or": [mine.clone(), { "$lte": ["$until", "$$NOW"] }] } };
            let taken = leases
                .find_one_and_update(free, take.clone())
                .return_document(ReturnDocument::After)
                .await
                .map_err(unavailable)?;
            if let Some(taken) = taken {
                let fence = taken.get_i64("fence").map_err(|error| {
                    StoreError::Inconsistent(format!("lease {name} cannot be read: {error}"))
                })?;
                return Ok(Some(Lease { fence }));
            }
            // Somebody has it, or it was never there.
            match leases.insert_one(never_held(name)).await {
                Ok(_) => {}
                Err(error) if is_duplicate(&error) => return Ok(None),
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(None)
    }

    /// Gives a lease back, if it is one's own. Whoever has it next and finds the number unchanged knows that nobody had it
    /// in between.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then it ends by itself.
    pub async fn end_lease(&self, name: &str) -> Result<(), StoreError> {
        let leases = self.database.collection::<Document>(LEASES);
        let mine = doc! { "_id": name, "holder": self.instance };
        let free = doc! { "$set": { "until": DateTime::MIN } };
        leases.update_one(mine, free).await.map(drop).map_err(unavailable)
    }

    /// Makes the lease `name` if it is not there, free. Transactions that count in it cannot do without.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn make_lease(&self, name: &str) -> Result<(), StoreError> {
        let leases = self.database.collection::<Document>(LEASES);
        match leases.insert_one(never_held(name)).await {
            Err(error) if !is_duplicate(&error) => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// As part of a transaction: proves that the lease is still held as `lease` says, makes it last longer, and counts the
    /// transaction. Gives the count: transactions that count in one lease exclude each other, so it grows in the order of
    /// their commits. `None` if somebody else has taken the lease. Whoever takes it meanwhile collides with the transaction.
    ///
    /// # Errors
    /// The driver's.
    pub async fn hold_lease(
        &self,
        session: &mut ClientSession,
        name: &str,
        lease: Lease,
        lasts: Duration,
    ) -> Result<Option<i64>, Error> {
        let mine = doc! { "_id": name, "holder": self.instance, "fence": lease.fence };
        self.count(session, mine, doc! { "until": until(lasts) }).await
    }

    /// As part of a transaction: counts it as [`Mongo::hold_lease`] does, whoever holds the lease. `None` if there is none of
    /// this name.
    ///
    /// # Errors
    /// The driver's.
    pub async fn count_in_lease(
        &self,
        session: &mut ClientSession,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        self.count(session, doc! { "_id": name }, doc! {}).await
    }

    async fn count(
        &self,
        session: &mut ClientSession,
        filter: Document,
        mut set: Document,
    ) -> Result<Option<i64>, Error> {
        let leases = self.database.collection::<Document>(LEASES);
        set.insert("commits", doc! { "$add": [{ "$ifNull": ["$commits", 0_i64] }, 1_i64] });
        let counted = leases
            .find_one_and_update(filter, vec![doc! { "$set": set }])
            .return_document(ReturnDocument::After)
            .session(session)
            .await?;
        Ok(counted.and_then(|counted| counted.get_i64("commits").ok()))
    }
}

/// So long from now, on the server's clock.
pub(super) fn until(lasts: Duration) -> Document {
    let millis = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    doc! { "$dateAdd": { "startDate": "$$NOW", "unit": "millisecond", "amount": millis } }
}

fn never_held(name: &str) -> Document {
    doc! { "_id": name, "holder": null, "until": DateTime::MIN, "fence": 0_i64 }
}
