//! Reading. Everything is read as the majority has it: what was acknowledged is there, and what is there stays.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Key, OrderId, Partition, Timestamp, Topic};
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::unavailable;
use mongodb::bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use rustc_hash::FxHashMap;

use super::document::{binary, inconsistent, read_order};
use super::{MongoOrders, list};
use crate::domain::{Order, awaits_products};
use crate::store::{
    Idempotency, IdempotencyRecord, IdempotencyScope, ListQuery, OrderReads, Page, Place, TOTAL_CAP,
    Timeline, decode_numbered_steps,
};

/// Answers forgotten by one call.
const PURGED: i64 = 1_000;

/// What an order is read from.
fn state() -> Document {
    doc! { "version": 1, "userId": 1, "shown": 1, "totalMinor": 1, "body": 1 }
}

/// What a timeline is read from.
fn history() -> Document {
    let mut fields = state();
    fields.extend(doc! { "history": 1, "sent": 1 });
    fields
}

impl MongoOrders {
    fn read_timeline(&self, document: &RawDocument) -> Result<Timeline, StoreError> {
        let order = read_order(document)?;
        let id = order.id;
        let mut history = Vec::new();
        for steps in document.get_array("history").map_err(|e| inconsistent(&e))? {
            match steps.map_err(|e| inconsistent(&e))? {
                RawBsonRef::Binary(steps) => history.extend_from_slice(steps.bytes),
                other => return Err(inconsistent(&format_args!("a step of order {id} is {other:?}"))),
            }
        }
        let sent = read_sent(document)?;
        let key = id.to_string();
        let place = |number: usize, topic: Topic| match sent.get(number) {
            Some(&(partition, offset)) => Place { topic, partition, offset: Some(offset) },
            None => Place { topic, partition: partition_of(key.as_bytes(), self.partitions), offset: None },
        };
        let steps = decode_numbered_steps(&order, &history, place)?;
        Ok(Timeline { order, steps })
    }

    async fn read(
        &self,
        filter: Document,
        sort: Document,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let find = self.collections.orders.find(filter).sort(sort).limit(limit).projection(state());
        let mut found = find.await.map_err(unavailable)?;
        let mut orders = Vec::new();
        while found.advance().await.map_err(unavailable)? {
            orders.push(read_order(found.current())?);
        }
        Ok(orders)
    }
}

#[async_trait]
impl OrderReads for MongoOrders {
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        let find = self.collections.orders.find_one(doc! { "_id": id.key().as_i64() }).projection(state());
        find.await.map_err(unavailable)?.map(|document| read_order(&document)).transpose()
    }

    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<i64> = ids.iter().map(|id| id.key().as_i64()).collect();
        let found = self.read(doc! { "_id": { "$in": keys } }, doc! {}, 0).await?;
        let found: FxHashMap<OrderId, Arc<Order>> =
            found.into_iter().map(|order| (order.id, order)).collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let cap = u64::try_from(TOTAL_CAP).unwrap_or(u64::MAX);
        let total = async {
            self.collections
                .orders
                .count_documents(list::matching(query))
                .limit(cap)
                .await
                .map_err(unavailable)
        };
        let page = self.read(list::from_page(query), list::sort(query), query.limit + 1);
        let (mut orders, total) = tokio::try_join!(page, total)?;
        let more = orders.len() > query.limit;
        orders.truncate(query.limit);
        let next = orders.last().filter(|_| more).map(|last| query.key(last));
        Ok(Page { orders, next, total: usize::try_from(total).unwrap_or(TOTAL_CAP) })
    }

    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError> {
        let find = self.collections.orders.find_one(doc! { "_id": id.key().as_i64() }).projection(history());
        let found = find.await.map_err(unavailable)?;
        found.map(|document| self.read_timeline(&document)).transpose()
    }

    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError> {
        let later = doc! { "_id": { "$gt": after.map_or(-1, |id| id.key().as_i64()) } };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let find = self.collections.orders.find(later).sort(doc! { "_id": 1 }).limit(limit);
        let mut found = find.projection(history()).await.map_err(unavailable)?;
        let mut timelines = Vec::new();
        while found.advance().await.map_err(unavailable)? {
            timelines.push(self.read_timeline(found.current())?);
        }
        Ok(timelines)
    }

    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError> {
        let after = after.map_or(-1, |id| id.key().as_i64());
        self.read(doc! { "_id": { "$gt": after } }, doc! { "_id": 1 }, limit).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        let after = after.map_or(-1, |id| id.key().as_i64());
        // Keys are in the order of time: later ones were not even placed before `before`.
        let last = Key::compose(u64::try_from(before.as_millis()).unwrap_or(0), u16::MAX, u16::MAX);
        let filter = doc! {
            "waiting": true,
            "_id": { "$gt": after, "$lte": last.as_i64() },
            "updatedAt": { "$lt": super::document::date(before) },
            // What waits to be published is not forgotten.
            "unsent": { "$exists": false },
        };
        let due = self.read(filter, doc! { "_id": 1 }, limit).await?;
        Ok(due.into_iter().filter(|order| awaits_products(order)).collect())
    }
}

/// Where the broker has the order's records: one number each, for it is kept for ever.
pub(super) fn pack(partition: Partition, offset: u64) -> i64 {
    (offset << 16 | u64::from(partition.0)).cast_signed()
}

fn read_sent(document: &RawDocument) -> Result<Vec<(Partition, u64)>, StoreError> {
    let Ok(sent) = document.get_array("sent") else { return Ok(Vec::new()) };
    sent.into_iter()
        .map(|place| match place {
            Ok(RawBsonRef::Int64(packed)) => {
                let packed = packed.cast_unsigned();
                Ok((Partition(packed as u16), packed >> 16))
            }
            _ => Err(inconsistent(&"the place of a record is no number")),
        })
        .collect()
}

#[async_trait]
impl Idempotency for MongoOrders {
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        let find = self.collections.idempotency.find_one(doc! { "_id": binary(scope.to_vec()) });
        let Some(document) = find.await.map_err(unavailable)? else { return Ok(None) };
        read_idempotent(*scope, &document).map(Some)
    }

    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError> {
        let old = doc! { "at": { "$lt": super::document::date(before) } };
        let find = self
            .collections
            .idempotency
            .find(old)
            .sort(doc! { "at": 1 })
            .limit(PURGED)
            .projection(doc! { "_id": 1 });
        let found: Vec<RawDocumentBuf> =
            find.await.map_err(unavailable)?.try_collect().await.map_err(unavailable)?;
        if found.is_empty() {
            return Ok(0);
        }
        let mut ids = Vec::with_capacity(found.len());
        for document in &found {
            let id = document.get_binary("_id").map_err(|e| inconsistent(&e))?;
            ids.push(binary(id.bytes.to_vec()));
        }
        let gone = self.collections.idempotency.delete_many(doc! { "_id": { "$in": ids } }).await;
        Ok(usize::try_from(gone.map_err(unavailable)?.deleted_count).unwrap_or(found.len()))
    }
}

fn read_idempotent(scope: IdempotencyScope, document: &RawDocument) -> Result<IdempotencyRecord, StoreError> {
    let read = || {
        let fingerprint = document.get_binary("fingerprint").ok()?.bytes.try_into().ok()?;
        let status = u16::try_from(document.get_i32("status").ok()?).ok()?;
        let body = document.get_binary("body").ok()?.bytes.to_vec().into();
        let at = Timestamp::from_millis(document.get_datetime("at").ok()?.timestamp_millis());
        Some(IdempotencyRecord { scope, fingerprint, status, body, at })
    };
    read().ok_or_else(|| inconsistent(&"an answer kept for an Idempotency-Key cannot be read"))
}
