//! The outbox: documents with the records of one commit, or of a part of it.
//!
//! A record's number is the commit's, shifted, plus its place in the commit; a document is named by its first record. So
//! numbers are in the order of the commits, and a relay reads and marks whole documents.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::mongodb::{Reached, ShardClaim, read_reached, unavailable, write_reached};
use holdfast_storage::{
    Claim, Incarnation, Outbox, OutboxId, Position, Sent, StoreError, TopicPartition, Unsent,
};
use mongodb::bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, cstr, doc, rawdoc};
use tokio::sync::watch;

use super::document::{binary, read_record};
use super::fields::Fields;
use super::prepared::Records;
use super::{Collections, MongoProducts};
use crate::store::stored::inconsistent;

/// All records are in one shard: their commits exclude each other anyway.
pub(super) const SHARD: u16 = 0;
/// Bits of a record's number that count within its commit.
const PLACES: u32 = 20;
/// Documents read at once.
const PAGE: i64 = 8;

/// The number of a commit's first record.
pub(super) fn first_number(commit: i64) -> i64 {
    commit << PLACES
}

/// The document of some of a commit's records.
pub(super) fn document(first: i64, some: &Records) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": first, "count": some.count as i64 };
    document.append(cstr!("records"), &*some.records);
    document
}

#[async_trait]
impl Outbox for MongoProducts {
    fn topics(&self) -> &[Topic] {
        Topic::FROM_PRODUCTS
    }

    fn incarnation(&self) -> Incarnation {
        self.incarnation.get().copied().unwrap_or(Incarnation(0))
    }

    fn shards(&self) -> u16 {
        1
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        let taken = ShardClaim::take(&self.collections.shards, shard).await?;
        let Some((claim, document)) = taken else { return Ok(None) };
        let mut claim = MongoClaim {
            collections: self.collections.clone(),
            claim,
            progress: Progress::read(&document)?,
            given_to: 0,
            given_next: VecDeque::new(),
            removed_to: 0,
        };
        claim.rewind();
        Ok(Some(Box::new(claim)))
    }
}

/// How far the broker is.
#[derive(Clone, Default)]
struct Progress {
    /// Every record of the documents up to this one is there.
    up_to: i64,
    /// Documents after it.
    later: BTreeMap<i64, Marks>,
    reached: Reached,
}

/// Which records of a document are at the broker.
#[derive(Clone)]
struct Marks {
    count: usize,
    bits: Vec<u8>,
}

impl Marks {
    fn none(count: usize) -> Self {
        Self { count, bits: vec![0; count.div_ceil(8)] }
    }

    fn has(&self, place: usize) -> bool {
        self.bits.get(place / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    fn set(&mut self, place: usize) {
        if let Some(byte) = self.bits.get_mut(place / 8) {
            *byte |= 1 << (place % 8);
        }
    }

    fn any(&self) -> bool {
        self.bits.iter().any(|byte| *byte != 0)
    }

    fn all(&self) -> bool {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() == self.count
    }
}

impl Progress {
    fn read(document: &RawDocument) -> Result<Self, StoreError> {
        let fields = Fields(document);
        let mut progress = Self {
            up_to: fields.number_if_there("upTo")?.unwrap_or(0),
            later: BTreeMap::new(),
            reached: read_reached(document)?,
        };
        let Some(RawBsonRef::Array(later)) = document.get("later").map_err(|e| inconsistent("later", e))?
        else {
            return Ok(progress);
        };
        for marks in later {
            let marks = marks.map_err(|e| inconsistent("later", e))?;
            let marks = Fields(marks.as_document().ok_or_else(|| inconsistent("later", "is no document"))?);
            let bits = marks.bytes("bits")?.to_vec();
            progress.later.insert(marks.number("document")?, Marks { count: marks.number("count")?, bits });
        }
        Ok(progress)
    }

    /// What [`Progress::read`] reads.
    fn write(&self) -> Document {
        let later = self.later.iter().filter(|(_, marks)| marks.any()).map(|(document, marks)| {
            doc! { "document": *document, "count": marks.count as i64, "bits": binary(&marks.bits) }
        });
        doc! {
            "upTo": self.up_to,
            "later": { "$literal": later.collect::<Vec<_>>() },
            "reached": { "$literal": write_reached(&self.reached) },
        }
    }

    fn reach(&mut self, sent: &Sent) {
        let next = Position { incarnation: sent.incarnation, next: sent.offset + 1 };
        let furthest = self.reached.entry(sent.partition).or_insert(next);
        if furthest.incarnation != next.incarnation || furthest.next < next.next {
            *furthest = next;
        }
    }

    /// Moves past the documents that are done; all up to `known` are among the later ones.
    fn close_up(&mut self, known: i64) {
        while let Some(first) = self.later.first_entry() {
            if *first.key() > known || !first.get().all() {
                break;
            }
            self.up_to = *first.key();
            first.remove();
        }
    }
}

/// The right to publish the outbox.
struct MongoClaim {
    collections: Arc<Collections>,
    claim: ShardClaim,
    progress: Progress,
    /// The last document that was read to be given.
    given_to: i64,
    /// Of documents that were read, what is not given yet.
    given_next: VecDeque<Unsent>,
    /// Documents up to here are removed.
    removed_to: i64,
}

impl MongoClaim {
    /// Reads some more documents; says whether there were any.
    async fn read_on(&mut self) -> Result<bool, StoreError> {
        let later = doc! { "_id": { "$gt": self.given_to } };
        let find = self.collections.outbox.find(later).sort(doc! { "_id": 1 }).limit(PAGE);
        let mut found = find.await.map_err(unavailable)?;
        let mut any = false;
        while found.advance().await.map_err(unavailable)? {
            any = true;
            let fields = Fields(found.current());
            let first: i64 = fields.number("_id")?;
            let count: usize = fields.number("count")?;
            let marks = self.progress.later.entry(first).or_insert_with(|| Marks::none(count));
            for (place, record) in fields.array("records")?.into_iter().enumerate() {
                let record = record.map_err(|e| inconsistent("records", e))?;
                let record =
                    record.as_document().ok_or_else(|| inconsistent("records", "one is no document"))?;
                if !marks.has(place) {
                    let id = OutboxId { scope: 0, number: (first + place as i64).cast_unsigned() };
                    self.given_next.push_back(Unsent { id, record: read_record(record)? });
                }
            }
            self.given_to = first;
        }
        Ok(any)
    }

    /// The document that a record is in, and its place in it; `None` if it is gone, since everything in it was sent.
    async fn find(&self, progress: &mut Progress, id: OutboxId) -> Result<Option<(i64, usize)>, StoreError> {
        let number = id.number.cast_signed();
        let place = |first: i64, count: usize| {
            usize::try_from(number - first).ok().filter(|place| *place < count).map(|place| (first, place))
        };
        if let Some((first, marks)) = progress.later.range(..=number).next_back()
            && let Some(found) = place(*first, marks.count)
        {
            return Ok(Some(found));
        }
        if number <= progress.up_to {
            return Ok(None);
        }
        // Not read by this owner.
        let before = doc! { "_id": { "$gt": progress.up_to, "$lte": number } };
        let find = self.collections.outbox.find_one(before).sort(doc! { "_id": -1 });
        let Some(document) = find.projection(doc! { "_id": 1, "count": 1 }).await.map_err(unavailable)?
        else {
            return Ok(None);
        };
        let fields = Fields(&document);
        let (first, count) = (fields.number("_id")?, fields.number("count")?);
        let found = place(first, count);
        if found.is_some() {
            progress.later.insert(first, Marks::none(count));
        }
        Ok(found)
    }

    async fn remove_sent(&mut self) -> Result<(), StoreError> {
        let up_to = self.progress.up_to;
        if self.removed_to < up_to {
            let sent = doc! { "_id": { "$gt": self.removed_to, "$lte": up_to } };
            self.collections.outbox.delete_many(sent).await.map_err(unavailable)?;
            self.removed_to = up_to;
        }
        Ok(())
    }
}

#[async_trait]
impl Claim for MongoClaim {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        self.claim.keep().await?;
        while self.given_next.len() < limit && self.read_on().await? {}
        let count = limit.min(self.given_next.len());
        Ok(self.given_next.drain(..count).collect())
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        // Taken over only once it is durable.
        let mut progress = self.progress.clone();
        for sent in records {
            if let Some((document, place)) = self.find(&mut progress, sent.id).await? {
                if let Some(marks) = progress.later.get_mut(&document) {
                    marks.set(place);
                }
                progress.reach(sent);
            }
        }
        progress.close_up(self.given_to);
        self.claim.record(progress.write()).await?;
        self.progress = progress;
        // It is known to be sent, whatever becomes of this.
        if let Err(error) = self.remove_sent().await {
            tracing::debug!(%error, "what was sent stays in the outbox for a moment");
        }
        Ok(())
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        Ok(self.progress.reached.iter().map(|(partition, position)| (*partition, *position)).collect())
    }

    fn rewind(&mut self) {
        self.given_to = self.progress.up_to;
        self.given_next.clear();
    }
}
