//! Claims of an outbox's shards: a document for each shard says who has it, and how far the broker is.

use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc, rawdoc};
use mongodb::options::ReturnDocument;
use rustc_hash::FxHashMap;
use tokio::time::{Duration, Instant};

use holdfast_contract::{Partition, Topic};

use super::unavailable;
use crate::error::StoreError;
use crate::outbox::CLAIM_SECONDS;
use crate::position::{Position, TopicPartition};
use crate::record::Incarnation;

/// Where the broker is, by its partitions: after the last record that was recorded as sent.
pub type Reached = FxHashMap<TopicPartition, Position>;

/// How often the owner of a claim says that it lives.
const RENEW_EVERY: Duration = Duration::from_secs(CLAIM_SECONDS / 5);

/// The right to publish a shard. Given back when dropped.
pub struct ShardClaim {
    shards: Collection<RawDocumentBuf>,
    shard: u16,
    /// Counts the owners: only the last one's writes are taken.
    fence: i64,
    renewed: Instant,
}

/// The document of a shard that nobody has claimed yet.
pub fn unclaimed(shard: u16) -> RawDocumentBuf {
    rawdoc! { "_id": i32::from(shard), "fence": 0_i64, "until": DateTime::MIN }
}

fn until() -> Document {
    let millis = i64::try_from(CLAIM_SECONDS * 1_000).unwrap_or(i64::MAX);
    // The server's clock: owners' clocks need not agree.
    doc! { "$add": ["$$NOW", millis] }
}

impl ShardClaim {
    /// Takes a shard, and gives its document; `None` while somebody else has it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take(
        shards: &Collection<RawDocumentBuf>,
        shard: u16,
    ) -> Result<Option<(Self, RawDocumentBuf)>, StoreError> {
        let free = doc! { "_id": i32::from(shard), "$expr": { "$lte": ["$until", "$$NOW"] } };
        let take = vec![doc! { "$set": { "fence": { "$add": ["$fence", 1_i64] }, "until": until() } }];
        let taken = shards.find_one_and_update(free, take).return_document(ReturnDocument::After);
        let Some(document) = taken.await.map_err(unavailable)? else { return Ok(None) };
        let fence = document.get_i64("fence").map_err(|e| unreadable(&e))?;
        Ok(Some((Self { shards: shards.clone(), shard, fence, renewed: Instant::now() }, document)))
    }

    /// Makes it last longer if it is time for that.
    ///
    /// # Errors
    /// As [`ShardClaim::record`].
    pub async fn keep(&mut self) -> Result<(), StoreError> {
        if self.renewed.elapsed() >= RENEW_EVERY { self.record(Document::new()).await } else { Ok(()) }
    }

    /// Whether it is still held.
    ///
    /// # Errors
    /// As [`ShardClaim::record`].
    pub async fn prove(&self) -> Result<(), StoreError> {
        let mine = self.shards.find_one(self.mine()).await.map_err(unavailable)?;
        mine.map(drop).ok_or(StoreError::ClaimLost(self.shard))
    }

    /// Sets fields of the shard's document, and makes the claim last longer. The values are taken as expressions.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] if somebody else has the shard now; [`StoreError::Unavailable`].
    pub async fn record(&mut self, mut set: Document) -> Result<(), StoreError> {
        set.insert("until", until());
        let now = Instant::now();
        let update = self.shards.update_one(self.mine(), vec![doc! { "$set": set }]);
        if update.await.map_err(unavailable)?.matched_count == 0 {
            return Err(StoreError::ClaimLost(self.shard));
        }
        self.renewed = now;
        Ok(())
    }

    fn mine(&self) -> Document {
        doc! { "_id": i32::from(self.shard), "fence": self.fence }
    }

    /// Gives the shard back, so that somebody else can have it at once.
    pub fn give_back(&self) -> impl Future<Output = ()> + Send + use<> {
        let (shards, mine) = (self.shards.clone(), self.mine());
        async move {
            let ended = shards.update_one(mine, doc! { "$set": { "until": DateTime::MIN } });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a claim could not be given back; it ends by itself");
            }
        }
    }
}

impl Drop for ShardClaim {
    fn drop(&mut self) {
        // Nobody has to wait for it: if it does not come to it, the claim ends by itself.
        #[allow(clippy::disallowed_methods, reason = "a courtesy that may be cut off at any point")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.give_back());
        }
    }
}

fn unreadable(what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("a shard of the outbox cannot be read: {what}"))
}

/// The places in the field `reached` of a shard's document.
///
/// # Errors
/// [`StoreError::Inconsistent`].
pub fn read_reached(document: &RawDocument) -> Result<Reached, StoreError> {
    let Some(RawBsonRef::Array(reached)) = document.get("reached").map_err(|e| unreadable(&e))? else {
        return Ok(Reached::default());
    };
    let mut read = Reached::default();
    for place in reached {
        let place = place.map_err(|e| unreadable(&e))?;
        let place = place.as_document().ok_or_else(|| unreadable(&"a place in the broker is no document"))?;
        let number = |name| place.get_i64(name).map(i64::cast_unsigned).map_err(|e| unreadable(&e));
        // A topic that this build does not know is one that it does not publish to.
        let Ok(topic) = place.get_str("topic").map_err(|e| unreadable(&e))?.parse::<Topic>() else {
            continue;
        };
        let partition = Partition(u16::try_from(number("partition")?).map_err(|e| unreadable(&e))?);
        let position = Position { incarnation: Incarnation(number("incarnation")?), next: number("next")? };
        read.insert(TopicPartition { topic, partition }, position);
    }
    Ok(read)
}

/// What [`read_reached`] reads.
pub fn write_reached(reached: &Reached) -> Bson {
    let places = reached.iter().map(|(at, position)| {
        doc! {
            "topic": at.topic.name(),
            "partition": i64::from(at.partition.0),
            "incarnation": position.incarnation.0.cast_signed(),
            "next": position.next.cast_signed(),
        }
    });
    places.collect::<Vec<Document>>().into()
}
