//! The outbox: orders with records that are not published yet, and copies of parked messages.
//!
//! An order's records are numbered by their count; the first `sent` of them are published, the rest are in `outbox`. So a
//! number needs no place of its own: it follows from the lengths of the two arrays.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::mongodb::{Reached, ShardClaim, read_reached, unavailable, write_reached};
use holdfast_storage::{
    Claim, Incarnation, Outbox, OutboxId, Position, Sent, StoreError, TopicPartition, Unsent,
};
use mongodb::bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, cstr, doc, rawdoc};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::commit::Fault;
use super::document::{inconsistent, read_id, read_record};
use super::reads::pack;
use super::{Collections, MongoOrders, SHARDS};

/// The scope of copies; no order has this key.
const COPIES: u64 = 0;
/// Records that an order usually sends at once, for guessing how many orders to read.
const RECORDS_OF_AN_ORDER: usize = 3;
/// Orders marked by one command.
const MARKED_AT_ONCE: usize = 1_000;
/// Pages of orders read one behind the other before the oldest are looked at again.
const PAGES: u32 = 8;
/// How often marking looks again at orders that are not as they were.
const ATTEMPTS: usize = 8;

#[async_trait]
impl Outbox for MongoOrders {
    fn topics(&self) -> &[Topic] {
        Topic::FROM_ORDERS
    }

    fn incarnation(&self) -> Incarnation {
        self.incarnation.get().copied().unwrap_or(Incarnation(0))
    }

    fn shards(&self) -> u16 {
        SHARDS
    }

    fn goes_to(&self, shard: u16, partition: Partition, partitions: u16) -> bool {
        meet(shard, partition, partitions)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    async fn claim(&self, shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        Ok(self.claim_shard(shard).await?.map(|claim| Box::new(claim) as Box<dyn Claim>))
    }
}

/// Whether a key can be of this shard and of this partition: both are remainders of the same hash.
fn meet(shard: u16, partition: Partition, partitions: u16) -> bool {
    let common = common_divisor(SHARDS, partitions.max(1));
    shard % common == partition.0 % common
}

/// The greatest common divisor of two numbers, each at least 1.
fn common_divisor(one: u16, other: u16) -> u16 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

impl MongoOrders {
    /// As [`Outbox::claim`].
    pub(super) async fn claim_shard(&self, shard: u16) -> Result<Option<MongoClaim>, StoreError> {
        let taken = ShardClaim::take(&self.collections.shards, shard).await?;
        let Some((claim, document)) = taken else { return Ok(None) };
        Ok(Some(MongoClaim {
            collections: self.collections.clone(),
            shard: i32::from(shard),
            claim,
            given: FxHashMap::default(),
            page: Page::default(),
            copies_given: -1,
            reached: read_reached(&document)?,
        }))
    }
}

/// The right to publish the records of one shard's orders.
pub(super) struct MongoClaim {
    collections: Arc<Collections>,
    shard: i32,
    pub(super) claim: ShardClaim,
    /// The number after the last record given, of orders of which some that were given are not recorded as sent.
    given: FxHashMap<i64, u64>,
    /// Where the next page of orders begins. Those in flight are before it, so that a backlog is not read over and over.
    page: Page,
    copies_given: i64,
    reached: Reached,
}

/// A place in the orders of a shard.
#[derive(Clone, Copy, Default)]
struct Page {
    /// The order before it; 0 at the beginning.
    after: i64,
    /// Pages since the beginning.
    number: u32,
}

/// Records of one order, in their order.
struct Marked {
    order: i64,
    first: u64,
    places: Vec<i64>,
}

impl Marked {
    fn after(&self) -> u64 {
        self.first + self.places.len() as u64
    }
}

impl MongoClaim {
    /// Up to `count` orders of the shard with records that were not given, about the oldest first.
    async fn orders_to_give(&mut self, count: usize) -> Result<Vec<i64>, StoreError> {
        let ids = self.orders_after(self.page.after, count).await?;
        let full = ids.len() >= count;
        if full && self.page.number + 1 < PAGES {
            self.page = Page { after: ids.last().copied().unwrap_or(0), number: self.page.number + 1 };
            return Ok(ids);
        }
        let page = std::mem::take(&mut self.page);
        // An older order may have got another record meanwhile.
        if full || page.number == 0 { Ok(ids) } else { self.orders_after(0, count).await }
    }

    async fn orders_after(&self, after: i64, count: usize) -> Result<Vec<i64>, StoreError> {
        // Answered by the partial index alone; orders in flight are passed over here, which costs a few bytes each.
        let limit = i64::try_from(count + self.given.len()).unwrap_or(i64::MAX);
        let find = self
            .collections
            .orders
            .find(doc! { "unsent": self.shard, "_id": { "$gt": after } })
            .sort(doc! { "_id": 1 })
            .projection(doc! { "_id": 1, "records": 1 })
            .hint(mongodb::options::Hint::Name(super::schema::UNSENT.to_owned()))
            .batch_size(u32::try_from(limit).unwrap_or(u32::MAX))
            .limit(limit);
        let mut found = find.await.map_err(unavailable)?;
        let mut ids = Vec::new();
        while ids.len() < count && found.advance().await.map_err(unavailable)? {
            let document = found.current();
            let id = document.get_i64("_id").map_err(|e| inconsistent(&e))?;
            let records = document.get_i32("records").map_err(|e| inconsistent(&e))?;
            if self.given.get(&id).is_none_or(|&given| given < u64::from(records.unsigned_abs())) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    async fn give_orders(&mut self, limit: usize, unsent: &mut Vec<Unsent>) -> Result<(), StoreError> {
        let ids = self.orders_to_give(limit.div_ceil(RECORDS_OF_AN_ORDER)).await?;
        if ids.is_empty() {
            return Ok(());
        }
        let find = self
            .collections
            .orders
            .find(doc! { "_id": { "$in": &ids } })
            .projection(doc! { "_id": 1, "records": 1, "outbox": 1 })
            .batch_size(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let mut found = find.await.map_err(unavailable)?;
        let mut orders = FxHashMap::default();
        while found.advance().await.map_err(unavailable)? {
            let (id, records) = read_outbox(found.current())?;
            orders.insert(id, records);
        }
        for id in ids {
            let Some(records) = orders.remove(&id) else { continue };
            let given = self.given.get(&id).copied().unwrap_or(0);
            for record in records.into_iter().filter(|record| record.id.number >= given) {
                self.given.insert(id, record.id.number + 1);
                unsent.push(record);
            }
        }
        Ok(())
    }

    async fn give_copies(&mut self, limit: usize, unsent: &mut Vec<Unsent>) -> Result<(), StoreError> {
        let find = self
            .collections
            .copies
            .find(doc! { "shard": self.shard, "_id": { "$gt": self.copies_given } })
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found = find.await.map_err(unavailable)?;
        while found.advance().await.map_err(unavailable)? {
            let document = found.current();
            let number = document.get_i64("_id").map_err(|e| inconsistent(&e))?;
            let key = document.get_binary("key").map_err(|e| inconsistent(&e))?.bytes;
            let record = document.get_document("record").map_err(|e| inconsistent(&e))?;
            let id = OutboxId { scope: COPIES, number: number.unsigned_abs() };
            unsent.push(Unsent { id, record: read_record(Bytes::copy_from_slice(key), record)? });
            self.copies_given = number;
        }
        Ok(())
    }

    /// Marks are facts that stay true whoever claims the shard meanwhile, and each is taken once, so that they need no
    /// transaction with the claim: one would meet those of consumers and clients on the same orders all the time.
    async fn mark_orders(&self, mut orders: Vec<Marked>) -> Result<(), StoreError> {
        let mut statements = RawArrayBuf::new();
        for marked in &orders {
            statements.push(mark_all(marked));
        }
        for _ in 0..ATTEMPTS {
            let expected = orders.len();
            let marked = self.collections.update_orders(statements, None).await.map_err(Fault::into_store)?;
            if marked == expected {
                return Ok(());
            }
            // Some have got more records meanwhile, or were marked before.
            (orders, statements) = self.still_to_mark(orders).await?;
            if orders.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the orders whose records were sent keep changing".to_owned()))
    }

    async fn still_to_mark(&self, orders: Vec<Marked>) -> Result<(Vec<Marked>, RawArrayBuf), StoreError> {
        let ids: Vec<i64> = orders.iter().map(|marked| marked.order).collect();
        let find = self.collections.orders.find(doc! { "_id": { "$in": ids } }).projection(
            doc! { "_id": 1, "records": 1, "waits": { "$size": { "$ifNull": ["$outbox", []] } } },
        );
        let mut found = find.await.map_err(unavailable)?;
        let mut lengths = FxHashMap::default();
        while found.advance().await.map_err(unavailable)? {
            let document = found.current();
            let number = |name| {
                Ok::<_, StoreError>(document.get_i32(name).map_err(|e| inconsistent(&e))?.unsigned_abs())
            };
            let (records, waits) = (number("records")?, number("waits")?);
            let id = document.get_i64("_id").map_err(|e| inconsistent(&e))?;
            lengths.insert(id, (u64::from(records - waits.min(records)), u64::from(records)));
        }
        let (mut rest, mut statements) = (Vec::new(), RawArrayBuf::new());
        for mut marked in orders {
            let Some(&(sent, records)) = lengths.get(&marked.order) else {
                return Err(inconsistent(&format_args!(
                    "records of {} were sent, but there is no such order",
                    marked.order
                )));
            };
            if marked.after() <= sent {
                continue;
            }
            if marked.first > sent {
                return Err(inconsistent(&format_args!(
                    "records of {} were left out before {}",
                    marked.order, marked.first
                )));
            }
            marked.places.drain(..usize::try_from(sent - marked.first).unwrap_or(0));
            marked.first = sent;
            let all = marked.after() == records;
            statements.push(if all { mark_all(&marked) } else { mark_some(&marked) });
            rest.push(marked);
        }
        Ok((rest, statements))
    }
}

/// An order's records and what is in its outbox.
fn read_outbox(document: &RawDocument) -> Result<(i64, Vec<Unsent>), StoreError> {
    let id = read_id(document)?;
    let key = Bytes::from(id.to_string());
    let records = document.get_i32("records").map_err(|e| inconsistent(&e))?;
    let mut waiting = Vec::new();
    if let Some(outbox) = document.get("outbox").map_err(|e| inconsistent(&e))? {
        let outbox = outbox.as_array().ok_or_else(|| inconsistent(&"an outbox is no array"))?;
        for record in outbox {
            match record.map_err(|e| inconsistent(&e))? {
                RawBsonRef::Document(record) => waiting.push(read_record(key.clone(), record)?),
                _ => {
                    return Err(inconsistent(&format_args!(
                        "an outgoing record of order {id} is no document"
                    )));
                }
            }
        }
    }
    let sent = u64::from(records.unsigned_abs()).checked_sub(waiting.len() as u64).ok_or_else(|| {
        inconsistent(&format_args!("order {id} has more records in its outbox than it ever had"))
    })?;
    let scope = id.key().as_i64().unsigned_abs();
    let waiting = waiting
        .into_iter()
        .zip(sent..)
        .map(|(record, number)| Unsent { id: OutboxId { scope, number }, record })
        .collect();
    Ok((id.key().as_i64(), waiting))
}

fn as_sent(places: &[i64]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for place in places {
        array.push(*place);
    }
    array
}

/// The order whose first `count` records were sent, and no more.
fn with_sent(order: i64, count: u64) -> RawDocumentBuf {
    let mut filter = rawdoc! { "_id": order };
    match count {
        0 => filter.append(cstr!("sent"), rawdoc! { "$exists": false }),
        count => filter.append(cstr!("sent"), rawdoc! { "$size": count.cast_signed() }),
    }
    filter
}

/// Nothing is left to be sent after these records; void if that is not so.
fn mark_all(marked: &Marked) -> RawDocumentBuf {
    let mut filter = with_sent(marked.order, marked.first);
    filter.append(cstr!("records"), marked.after().cast_signed());
    rawdoc! {
        "q": filter,
        "u": {
            "$push": { "sent": { "$each": as_sent(&marked.places) } },
            "$unset": { "outbox": true, "unsent": true },
        },
    }
}

/// Records that came later stay; void if there are none.
fn mark_some(marked: &Marked) -> RawDocumentBuf {
    let mut filter = with_sent(marked.order, marked.first);
    filter.append(cstr!("records"), rawdoc! { "$gt": marked.after().cast_signed() });
    let count = marked.places.len() as i64;
    let mut update = RawArrayBuf::new();
    update.push(rawdoc! { "$set": {
        "sent": { "$concatArrays": [{ "$ifNull": ["$sent", []] }, as_sent(&marked.places)] },
        "outbox": { "$slice": ["$outbox", count, i32::MAX] },
    } });
    rawdoc! { "q": filter, "u": update }
}

#[async_trait]
impl Claim for MongoClaim {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        self.claim.keep().await?;
        let mut unsent = Vec::new();
        if limit > 0 {
            self.give_orders(limit, &mut unsent).await?;
            self.give_copies(limit, &mut unsent).await?;
        }
        Ok(unsent)
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        self.claim.prove().await?;
        let mut copies = Vec::new();
        let mut orders: Vec<Marked> = Vec::new();
        let mut places: FxHashMap<u64, usize> = FxHashMap::default();
        let mut reached = self.reached.clone();
        for sent in records {
            let next = Position { incarnation: sent.incarnation, next: sent.offset + 1 };
            let furthest = reached.entry(sent.partition).or_insert(next);
            if furthest.incarnation != next.incarnation || furthest.next < next.next {
                *furthest = next;
            }
            if sent.id.scope == COPIES {
                copies.push(sent.id.number.cast_signed());
                continue;
            }
            let place = pack(sent.partition.partition, sent.offset);
            let at = *places.entry(sent.id.scope).or_insert(orders.len());
            match orders.get_mut(at) {
                Some(marked) if sent.id.number == marked.after() => marked.places.push(place),
                Some(_) => {
                    return Err(inconsistent(&format_args!("records were left out before {}", sent.id)));
                }
                None => orders.push(Marked {
                    order: sent.id.scope.cast_signed(),
                    first: sent.id.number,
                    places: vec![place],
                }),
            }
        }
        let done: Vec<(i64, u64)> = orders.iter().map(|marked| (marked.order, marked.after())).collect();
        while !orders.is_empty() {
            let later = orders.split_off(orders.len().min(MARKED_AT_ONCE));
            self.mark_orders(std::mem::replace(&mut orders, later)).await?;
        }
        if !copies.is_empty() {
            let gone = doc! { "shard": self.shard, "_id": { "$in": copies } };
            self.collections.copies.delete_many(gone).await.map_err(unavailable)?;
        }
        for (order, after) in done {
            if self.given.get(&order).is_some_and(|&given| given <= after) {
                self.given.remove(&order);
            }
        }
        // Last: what is before these places must have been recorded.
        self.claim.record(doc! { "reached": { "$literal": write_reached(&reached) } }).await?;
        self.reached = reached;
        Ok(())
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        Ok(self.reached.iter().map(|(partition, position)| (*partition, *position)).collect())
    }

    fn rewind(&mut self) {
        self.given.clear();
        self.page = Page::default();
        self.copies_given = -1;
    }
}

#[cfg(test)]
mod tests {
    use holdfast_contract::topic::partition_of;

    use super::*;

    #[test]
    fn every_key_goes_where_its_shard_may_and_most_other_partitions_are_ruled_out() {
        for partitions in 1..=12 {
            for key in (0..200u32).map(|n| format!("key-{n}")) {
                let shard = partition_of(key.as_bytes(), SHARDS).0;
                assert!(
                    meet(shard, partition_of(key.as_bytes(), partitions), partitions),
                    "{key} {partitions}"
                );
            }
        }
        let of_three: Vec<u16> = (0..3).filter(|&p| meet(1, Partition(p), 3)).collect();
        let of_six: Vec<u16> = (0..6).filter(|&p| meet(1, Partition(p), 6)).collect();
        assert_eq!((of_three, of_six), (vec![1], vec![1, 4]));
    }
}
