//! Reading orders by id, their history, what waits for Products, and stored answers.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{Key, OrderId, Timestamp};
use holdfast_storage::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashSet;

use super::SqliteOrders;
use super::list::{self, Tried};
use crate::domain::{Order, awaits_products};
use crate::store::{
    Idempotency, IdempotencyRecord, IdempotencyScope, ListQuery, OrderReads, Page, Timeline, decode_order,
    decode_steps,
};

/// Stored answers deleted by one `purge`.
const PURGE_ROWS: usize = 2_000;
/// A list is read again if the index moved meanwhile, so often; after that its total may be off by what moved.
const LIST_TRIES: usize = 4;

/// The orders, in the order asked for.
pub(super) fn orders(
    connection: &Connection,
    ids: &[OrderId],
) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
    ids.iter().map(|id| order(connection, *id)).collect()
}

pub(super) fn order(connection: &Connection, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT version, body FROM orders WHERE id = ?1")?;
    let mut rows = statement.query([id.key().as_i64()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let version: u64 = row.get(0)?;
    let body = row.get_ref(1)?.as_blob().map_err(|e| StoreError::Inconsistent(format!("order {id}: {e}")))?;
    let order = decode_order(id, body)?;
    if order.version == version {
        Ok(Some(Arc::new(order)))
    } else {
        Err(StoreError::Inconsistent(format!("order {id}: the row is version {version}, its body is not")))
    }
}

fn ids_after(
    connection: &Connection,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Vec<OrderId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query(params![after.map_or(-1, |id| id.key().as_i64()), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(order_id(row.get(0)?)?);
    }
    Ok(found)
}

fn timeline(connection: &Connection, id: OrderId) -> Result<Option<Timeline>, StoreError> {
    let Some(order) = order(connection, id)? else { return Ok(None) };
    let history: Vec<u8> = connection
        .prepare_cached("SELECT history FROM orders WHERE id = ?1")?
        .query_row([id.key().as_i64()], |row| row.get(0))?;
    Ok(Some(Timeline { steps: decode_steps(&order, &history)?, order }))
}

/// Takes back an id that was stored.
pub(super) fn order_id(stored: i64) -> Result<OrderId, StoreError> {
    let key = Key::from_i64(stored);
    key.map(OrderId::new).ok_or_else(|| StoreError::Inconsistent(format!("{stored} is no order id")))
}

#[async_trait]
impl OrderReads for SqliteOrders {
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        if let Some(order) = self.overlay.get(id) {
            return Ok(Some(order));
        }
        self.database.read(move |connection| order(connection, id)).await
    }

    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
        let mut found = self.overlay.get_many(ids);
        let missing: Vec<OrderId> =
            ids.iter().zip(&found).filter(|(_, order)| order.is_none()).map(|(id, _)| *id).collect();
        if !missing.is_empty() {
            let read = self.database.read(move |connection| orders(connection, &missing)).await?;
            for (slot, order) in found.iter_mut().filter(|slot| slot.is_none()).zip(read) {
                *slot = order;
            }
        }
        Ok(found)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let query = Arc::new(query.clone());
        for attempt in 1.. {
            let (query, overlay) = (query.clone(), self.overlay.clone());
            let last = attempt == LIST_TRIES;
            let read = move |connection: &Connection| list::list(connection, &query, &overlay, last);
            if let Tried::Page(page) = self.database.read(read).await? {
                return Ok(page);
            }
        }
        Err(StoreError::Unavailable("the list changes too fast".to_owned()))
    }

    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError> {
        self.database.read(move |connection| timeline(connection, id)).await
    }

    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError> {
        self.database
            .read(move |connection| {
                let mut found = Vec::new();
                for id in ids_after(connection, after, limit)? {
                    found.extend(timeline(connection, id)?);
                }
                Ok(found)
            })
            .await
    }

    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError> {
        self.database
            .read(move |connection| {
                let mut found = Vec::new();
                for id in ids_after(connection, after, limit)? {
                    found.extend(order(connection, id)?);
                }
                Ok(found)
            })
            .await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        let snapshot = self.overlay.snapshot();
        let is_due = move |order: &Order| {
            order.updated_at < before && awaits_products(order) && after.is_none_or(|after| order.id > after)
        };
        let recent: FxHashSet<OrderId> = snapshot.entries.iter().map(|entry| entry.order.id).collect();
        let mut due: Vec<Arc<Order>> =
            snapshot.entries.into_iter().map(|entry| entry.order).filter(|order| is_due(order)).collect();
        let indexed = self
            .database
            .read(move |connection| {
                let mut statement =
                    connection.prepare_cached("SELECT id FROM waiting WHERE id > ?1 ORDER BY id")?;
                let mut rows = statement.query([after.map_or(-1, |id| id.key().as_i64())])?;
                let mut due = Vec::new();
                while let Some(row) = rows.next()? {
                    let id = order_id(row.get(0)?)?;
                    // Keys are in the order of time: later ones were not even placed before `before`.
                    let placed = i64::try_from(id.key().unix_millis()).unwrap_or(i64::MAX);
                    if due.len() == limit || placed > before.as_millis() {
                        break;
                    }
                    if recent.contains(&id) {
                        continue;
                    }
                    due.extend(order(connection, id)?.filter(|order| is_due(order)));
                }
                Ok(due)
            })
            .await?;
        due.extend(indexed);
        due.sort_unstable_by_key(|order| order.id);
        due.truncate(limit);
        Ok(due)
    }
}

#[async_trait]
impl Idempotency for SqliteOrders {
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        let scope = *scope;
        self.database
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT fingerprint, status, body, at FROM idempotency WHERE scope = ?1")?
                    .query_row([&scope[..]], |row| {
                        Ok(IdempotencyRecord {
                            scope,
                            fingerprint: row.get(0)?,
                            status: row.get(1)?,
                            body: row.get::<_, Vec<u8>>(2)?.into(),
                            at: Timestamp::from_millis(row.get(3)?),
                        })
                    })
                    .optional()?)
            })
            .await
    }

    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError> {
        // Looks only at the oldest rows. Clocks of requests differ a little from the order of their commits: a row that
        // is not old enough hides those behind it until the next call.
        self.database
            .write(move |tx| {
                let connection = tx.connection();
                let last: Option<i64> = {
                    let mut statement = connection
                        .prepare_cached("SELECT entry, at FROM idempotency ORDER BY entry LIMIT ?1")?;
                    let mut rows = statement.query([PURGE_ROWS])?;
                    let mut last = None;
                    while let Some(row) = rows.next()? {
                        if row.get::<_, i64>(1)? >= before.as_millis() {
                            break;
                        }
                        last = Some(row.get(0)?);
                    }
                    last
                };
                let Some(last) = last else { return Ok(0) };
                Ok(connection
                    .prepare_cached("DELETE FROM idempotency WHERE entry <= ?1")?
                    .execute(params![last])?)
            })
            .await
    }
}
