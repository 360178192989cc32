//! Positions and parked messages as tables of the service's database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Timestamp, Topic};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Database;
use super::journal::topic_partition;
use crate::error::StoreError;
use crate::inbox::{Inbox, ParkCause, Parked, ParkedFilter, ParkedId, ToPark};
use crate::position::{Advance, Group, Position, TopicPartition};
use crate::record::{Incarnation, Record, Seq};

/// Compare-and-set of a position.
pub(super) fn advance(connection: &Connection, advance: &Advance) -> Result<(), StoreError> {
    let Advance { group, partition, from, to } = *advance;
    let key = (group, partition.topic.code(), partition.partition.0);
    let stored: Option<Position> = connection
        .prepare_cached(
            "SELECT incarnation, next_offset FROM consumed
             WHERE consumer_group = ?1 AND topic = ?2 AND partition = ?3",
        )?
        .query_row(key, |row| {
            Ok(Position {
                incarnation: Incarnation(row.get::<_, i64>(0)?.cast_unsigned()),
                next: row.get(1)?,
            })
        })
        .optional()?;
    if stored != from {
        return Err(StoreError::StaleWorker { group, partition });
    }
    connection
        .prepare_cached(
            "INSERT INTO consumed (consumer_group, topic, partition, incarnation, next_offset)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation, next_offset = excluded.next_offset",
        )?
        .execute(params![key.0, key.1, key.2, to.incarnation.0.cast_signed(), to.next])?;
    Ok(())
}

pub(super) fn park(connection: &Connection, parked: &ToPark) -> Result<(), StoreError> {
    let ToPark { group, record, order, cause, at } = parked;
    let poison = match cause {
        ParkCause::Poison(text) => Some(text.as_str()),
        ParkCause::Behind => None,
    };
    if poison.is_none() && !has_parked(connection, group, record.topic, order.as_deref())? {
        return Err(StoreError::NothingBefore { group, partition: record.topic_partition() });
    }
    connection
        .prepare_cached(
            "INSERT INTO parked (consumer_group, topic, partition, offset, at, key, payload, traceparent,
                                 order_key, poison, parked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            group,
            record.topic.code(),
            record.partition.0,
            record.offset,
            record.at.as_millis(),
            &record.key[..],
            &record.payload[..],
            record.traceparent.as_deref(),
            order.as_deref(),
            poison,
            at.as_millis(),
        ])?;
    Ok(())
}

fn has_parked(
    connection: &Connection,
    group: Group,
    topic: Topic,
    order: Option<&[u8]>,
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM parked WHERE consumer_group = ?1 AND topic = ?2 AND order_key = ?3)",
    )?;
    Ok(statement.query_row(params![group, topic.code(), order], |row| row.get(0))?)
}

/// Removes a parked message, as part of the commit that replays or discards it. Says whether it was still there: if
/// not, somebody else was faster, and the commit must change nothing.
///
/// # Errors
/// If the store fails.
pub fn remove_parked(connection: &Connection, id: ParkedId) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM parked WHERE id = ?1")?.execute([id.0])? == 1)
}

/// Counts a failed replay of these messages, as part of a commit. Those that are no longer parked are passed over.
///
/// # Errors
/// If the store fails.
pub fn count_attempts(connection: &Connection, ids: &[ParkedId]) -> Result<(), StoreError> {
    for id in ids {
        connection
            .prepare_cached("UPDATE parked SET attempts = attempts + 1 WHERE id = ?1")?
            .execute([id.0])?;
    }
    Ok(())
}

const COLUMNS: &str =
    "id, topic, partition, offset, at, key, payload, traceparent, order_key, poison, parked_at, attempts";

fn read_parked(row: &Row<'_>) -> Result<Parked, StoreError> {
    let TopicPartition { topic, partition } = topic_partition(row, 1)?;
    let blob = |i| row.get::<_, Option<Vec<u8>>>(i).map(|b| b.map(Bytes::from));
    let record = Record {
        seq: Seq(0),
        topic,
        partition,
        offset: row.get(3)?,
        at: Timestamp::from_millis(row.get(4)?),
        key: blob(5)?.unwrap_or_default(),
        payload: blob(6)?.unwrap_or_default(),
        traceparent: blob(7)?,
    };
    Ok(Parked {
        id: ParkedId(row.get(0)?),
        record: Arc::new(record),
        order: blob(8)?,
        cause: row.get::<_, Option<String>>(9)?.map_or(ParkCause::Behind, ParkCause::Poison),
        parked_at: Timestamp::from_millis(row.get(10)?),
        attempts: row.get(11)?,
    })
}

#[async_trait]
impl Inbox for Database {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT topic, partition, incarnation, next_offset FROM consumed WHERE consumer_group = ?1",
            )?;
            let mut rows = statement.query([group])?;
            let mut positions = Vec::new();
            while let Some(row) = rows.next()? {
                let incarnation = Incarnation(row.get::<_, i64>(2)?.cast_unsigned());
                positions.push((topic_partition(row, 0)?, Position { incarnation, next: row.get(3)? }));
            }
            Ok(positions)
        })
        .await
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.parked_like(group, &ParkedFilter::default(), after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let ParkedFilter { topic, order } = filter.clone();
        self.read(move |connection| {
            // A condition that is not asked for must not be in the statement: it would keep the index from being used.
            let of_topic = if topic.is_some() { "AND topic = ?4" } else { "AND ?4 IS NULL" };
            let of_order = if order.is_some() { "AND order_key = ?5" } else { "AND ?5 IS NULL" };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM parked WHERE consumer_group = ?1 AND id > ?2 {of_topic} {of_order}
                 ORDER BY id LIMIT ?3"
            ))?;
            let after = after.map_or(i64::MIN, |id| id.0);
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows =
                statement.query(params![group, after, limit, topic.map(Topic::code), order.as_deref()])?;
            let mut parked = Vec::new();
            while let Some(row) = rows.next()? {
                parked.push(read_parked(row)?);
            }
            Ok(parked)
        })
        .await
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        self.read(move |connection| {
            let any: bool = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM parked WHERE consumer_group = ?1)")?
                .query_row([group], |row| row.get(0))?;
            if !any {
                return Ok(Vec::new());
            }
            let mut found = Vec::new();
            for (topic, order) in orders {
                if has_parked(connection, group, topic, Some(&order))? {
                    found.push((topic, order));
                }
            }
            Ok(found)
        })
        .await
    }

    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT topic, partition, count(*) FROM parked WHERE consumer_group = ?1 GROUP BY topic, partition",
            )?;
            let mut rows = statement.query([group])?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next()? {
                counts.push((topic_partition(row, 0)?, row.get(2)?));
            }
            Ok(counts)
        })
        .await
    }
}
