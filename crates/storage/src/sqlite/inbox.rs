//! Positions and parked messages as tables of the service's database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::database::Database;
use super::journal::topic_partition;
use crate::error::StoreError;
use crate::inbox::{Inbox, ParkCause, Parked, ParkedId, ToPark};
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

/// Removes a parked message, as part of the commit that replays or discards it. Says whether it was still there: if
/// not, somebody else was faster, and the commit must change nothing.
///
/// # Errors
/// If the store fails.
pub fn remove_parked(connection: &Connection, id: ParkedId) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM parked WHERE id = ?1")?.execute([id.0])? == 1)
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
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, topic, partition, offset, at, key, payload, traceparent, order_key, poison, parked_at,
                        attempts
                 FROM parked WHERE consumer_group = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            let after = after.map_or(i64::MIN, |id| id.0);
            let mut rows = statement.query(params![group, after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let mut parked = Vec::new();
            while let Some(row) = rows.next()? {
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
                parked.push(Parked {
                    id: ParkedId(row.get(0)?),
                    record: Arc::new(record),
                    order: blob(8)?,
                    cause: row.get::<_, Option<String>>(9)?.map_or(ParkCause::Behind, ParkCause::Poison),
                    parked_at: Timestamp::from_millis(row.get(10)?),
                    attempts: row.get(11)?,
                });
            }
            Ok(parked)
        })
        .await
    }
}
