//! Queries.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{Key, ProductId, ReservationId, Timestamp};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteProducts, books, list, rows};
use crate::domain::{Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, OrderRef, Shelf};
use crate::store::{
    Book, Counters, HeldPage, IdempotencyRecord, ProductPage, ProductQuery, StockReads, StoredAnswer, codes,
};

pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Every row that a statement gives.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = Vec::new();
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn decisions(
    connection: &Connection,
    ids: &[ReservationId],
) -> Result<Vec<Arc<Decision>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, number, at, state, first_movement, movements, detail FROM reservations WHERE id = ?1",
    )?;
    let mut found = Vec::new();
    for id in ids {
        let mut rows = statement.query([id.key().as_i64()])?;
        let Some(row) = rows.next()? else { continue };
        let decision = rows::decision(row)?;
        let Range { start, end } = decision.movements();
        let movements = all(
            connection,
            "SELECT * FROM movements WHERE id >= ?1 AND id < ?2 ORDER BY id",
            params![start, end],
            |row| rows::movement(row).map(Arc::new),
        )?;
        found.push(Arc::new(decision.prove(movements)?));
    }
    Ok(found)
}

#[async_trait]
impl StockReads for SqliteProducts {
    async fn counters(&self) -> Result<Counters, StoreError> {
        self.database
            .read(|connection| {
                let max = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
                let last_movement = max("SELECT max(id) FROM movements")?;
                let newest = max("SELECT max(id) FROM reservations")?;
                let texts =
                    all(connection, "SELECT http_order FROM http_reservations WHERE state = 1", [], |row| {
                        Ok(row.get::<_, String>(0)?)
                    })?;
                let orders: Result<Vec<_>, _> = texts.iter().map(|t| OrderRef::new(t)).collect();
                Ok(Counters {
                    last_movement: last_movement.map(|id| MovementId(id.cast_unsigned())),
                    newest_reservation: newest.and_then(Key::from_i64).map(ReservationId::new),
                    http_orders: orders
                        .map_err(|e| rows::inconsistent("http_order", e))?
                        .into_iter()
                        .filter(|o| o.order().is_some())
                        .collect(),
                })
            })
            .await
    }

    async fn shelves(&self, ids: Vec<ProductId>) -> Result<Vec<Shelf>, StoreError> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "SELECT {} FROM products AS p JOIN stock AS s ON s.product = p.id WHERE p.id = ?1",
                    rows::SHELF
                );
                let mut found = Vec::with_capacity(ids.len());
                for id in &ids {
                    found.extend(all(connection, &sql, [id.as_bytes()], rows::shelf)?);
                }
                Ok(found)
            })
            .await
    }

    async fn list(&self, query: ProductQuery) -> Result<ProductPage, StoreError> {
        self.database.read(move |connection| list::page(connection, &query)).await
    }

    async fn categories(&self) -> Result<Vec<String>, StoreError> {
        self.database
            .read(|connection| {
                all(
                    connection,
                    "SELECT DISTINCT category FROM products WHERE hidden = 0 AND category IS NOT NULL
                     ORDER BY category",
                    [],
                    |row| Ok(row.get(0)?),
                )
            })
            .await
    }

    async fn sku_owner(&self, sku: String) -> Result<Option<ProductId>, StoreError> {
        self.database
            .read(move |connection| {
                let found =
                    all(connection, "SELECT id FROM products WHERE sku = ?1 AND hidden = 0", [sku], |row| {
                        rows::product_id(row, "id")
                    })?;
                Ok(found.first().copied())
            })
            .await
    }

    async fn holds(
        &self,
        product: ProductId,
        after: Option<HoldId>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        self.database
            .read(move |connection| {
                all(
                    connection,
                    "SELECT * FROM holds WHERE product = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                    params![product.as_bytes(), after.map_or(0, |h| h.0.0), bound(limit)],
                    rows::hold,
                )
            })
            .await
    }

    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.database
            .read(move |connection| {
                // A cursor names the last movement that was shown: the chain goes on from there.
                let mut next: Option<u64> = match before {
                    None => connection
                        .prepare_cached("SELECT last_movement FROM stock WHERE product = ?1")?
                        .query_row([product.as_bytes()], |row| row.get(0))
                        .optional()?
                        .flatten(),
                    Some(id) => connection
                        .prepare_cached("SELECT previous FROM movements WHERE id = ?1 AND product = ?2")?
                        .query_row(params![id.0, product.as_bytes()], |row| row.get(0))
                        .optional()?
                        .flatten(),
                };
                let mut found = Vec::new();
                while let Some(id) = next.filter(|_| found.len() < limit) {
                    let mut rows =
                        all(connection, "SELECT * FROM movements WHERE id = ?1", [id], rows::movement)?;
                    let movement = rows.pop().filter(|m| m.product == product);
                    let movement = movement.ok_or_else(|| {
                        rows::inconsistent(
                            &format!("product {product}"),
                            format!("its movement {id} is missing"),
                        )
                    })?;
                    next = movement.previous.map(|m| m.0);
                    if next.is_some_and(|next| next >= id) {
                        return Err(rows::inconsistent(
                            &format!("product {product}"),
                            "its ledger goes in circles",
                        ));
                    }
                    found.push(movement);
                }
                Ok(found)
            })
            .await
    }

    async fn ledger(
        &self,
        after: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.database
            .read(move |connection| {
                all(
                    connection,
                    "SELECT * FROM movements WHERE id > ?1 ORDER BY id LIMIT ?2",
                    params![after.map_or(0, |m| m.0), bound(limit)],
                    rows::movement,
                )
            })
            .await
    }

    async fn open_holds(
        &self,
        after: Option<(ProductId, HoldId)>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        self.database
            .read(move |connection| {
                let (product, hold) = after.map_or(([0; 12], 0), |(p, h)| (*p.as_bytes(), h.0.0));
                all(
                    connection,
                    "SELECT * FROM holds WHERE (product, id) > (?1, ?2) ORDER BY product, id LIMIT ?3",
                    params![product, hold, bound(limit)],
                    rows::hold,
                )
            })
            .await
    }

    async fn all_shelves(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Shelf>, StoreError> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "SELECT {} FROM products AS p LEFT JOIN stock AS s ON s.product = p.id
                     WHERE ?1 IS NULL OR p.id > ?1 ORDER BY p.id LIMIT ?2",
                    rows::SHELF
                );
                let after = after.map(|id| *id.as_bytes());
                all(connection, &sql, params![after, bound(limit)], rows::shelf)
            })
            .await
    }

    async fn decisions(&self, ids: Vec<ReservationId>) -> Result<Vec<Arc<Decision>>, StoreError> {
        self.database.read(move |connection| decisions(connection, &ids)).await
    }

    async fn books(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Book>, StoreError> {
        self.database.read(move |connection| books::books(connection, after, limit)).await
    }

    async fn held(&self, after: Option<ReservationId>, limit: usize) -> Result<HeldPage, StoreError> {
        self.database.read(move |connection| books::held(connection, after, limit)).await
    }

    async fn http_reservation(
        &self,
        order: OrderRef,
        product: ProductId,
    ) -> Result<Option<HttpReservation>, StoreError> {
        self.database
            .read(move |connection| {
                let mut found = all(
                    connection,
                    "SELECT * FROM http_reservations WHERE http_order = ?1 AND product = ?2",
                    params![order.as_str(), product.as_bytes()],
                    rows::http_reservation,
                )?;
                Ok(found.pop())
            })
            .await
    }

    async fn idempotent(&self, scope: IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.database
            .read(move |connection| {
                let found = connection
                    .prepare_cached("SELECT fingerprint, status, body, at FROM idempotency WHERE scope = ?1")?
                    .query_row([scope.as_bytes()], |row| {
                        Ok(IdempotencyRecord {
                            scope,
                            fingerprint: row.get(0)?,
                            answer: StoredAnswer {
                                status: row.get(1)?,
                                body: row.get::<_, Vec<u8>>(2)?.into(),
                            },
                            at: Timestamp::from_millis(row.get(3)?),
                        })
                    })
                    .optional()?;
                Ok(found)
            })
            .await
    }
}

// Kept beside the query that names the number.
const _: () = assert!(codes::HTTP_HELD == 1);
