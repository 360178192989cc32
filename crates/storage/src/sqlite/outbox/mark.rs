//! What is known to be at the broker, in memory and as rows. A mark of any number of records is a handful of rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use crate::error::StoreError;
use crate::outbox::Sent;
use crate::position::{Position, TopicPartition};
use crate::record::Incarnation;
use crate::sqlite::journal::topic_partition;

/// A stretch of a journal partition that the broker has in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    start: u64,
    end: u64,
    incarnation: Incarnation,
    broker: u64,
}

impl Range {
    /// Takes one more record in, if it is the next one in both logs.
    fn extend(&mut self, offset: u64, sent: &Sent) -> bool {
        let next = self.incarnation == sent.incarnation
            && self.end == offset
            && self.broker + (self.end - self.start) == sent.offset;
        self.end += u64::from(next);
        next
    }
}

/// How far the journal is published.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    /// Every record up to here is.
    pub(super) up_to: u64,
    /// These after it are too.
    ahead: BTreeSet<u64>,
    /// By the broker's partition: after the last record.
    reached: FxHashMap<TopicPartition, Position>,
    /// By the journal's partition: the newest range.
    newest: FxHashMap<TopicPartition, Range>,
}

/// What a mark changes in the tables.
pub(super) struct Changes {
    up_to: u64,
    ahead: Vec<u64>,
    reached: Vec<(TopicPartition, Position)>,
    ranges: Vec<(TopicPartition, Range)>,
}

impl Published {
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        // What was forgotten while the database was used without a broker will never be published.
        let up_to = "SELECT max(seq, trimmed) FROM outbox_published, journal_identity";
        let mut published =
            Self { up_to: connection.query_row(up_to, [], |row| row.get(0))?, ..Self::default() };
        let mut statement = connection.prepare("SELECT seq FROM outbox_ahead")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            published.ahead.insert(row.get(0)?);
        }
        published.close_up();
        let incarnation = |n: i64| Incarnation(n.cast_unsigned());
        let mut statement =
            connection.prepare("SELECT topic, partition, incarnation, next_offset FROM outbox_reached")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let position = Position { incarnation: incarnation(row.get(2)?), next: row.get(3)? };
            published.reached.insert(topic_partition(row, 0)?, position);
        }
        let mut statement = connection.prepare(
            "SELECT topic, partition, max(start_offset), end_offset, incarnation, broker_offset FROM outbox_places
             GROUP BY topic, partition",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let range = Range {
                start: row.get(2)?,
                end: row.get(3)?,
                incarnation: incarnation(row.get(4)?),
                broker: row.get(5)?,
            };
            published.newest.insert(topic_partition(row, 0)?, range);
        }
        Ok(published)
    }

    /// Moves past those that came before their turn.
    fn close_up(&mut self) {
        while let Some(&first) = self.ahead.first().filter(|&&seq| seq <= self.up_to + 1) {
            self.ahead.pop_first();
            self.up_to = self.up_to.max(first);
        }
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        seq <= self.up_to || self.ahead.contains(&seq)
    }

    pub(super) fn reached(&self) -> Vec<(TopicPartition, Position)> {
        self.reached.iter().map(|(&at, &position)| (at, position)).collect()
    }

    /// Takes records in, each with its journal partition and offset; says what to write. Those that are in already change
    /// nothing.
    pub(super) fn add(&mut self, records: &[(Sent, TopicPartition, u64)]) -> Changes {
        let (mut reached, mut ranges) = (FxHashMap::default(), Vec::new());
        let mut ahead = Vec::new();
        for (sent, at, offset) in records {
            if self.contains(sent.id.number) {
                continue;
            }
            self.ahead.insert(sent.id.number);
            ahead.push(sent.id.number);
            // A record that was found after a take-over may be followed by a publication of an earlier one; the place to
            // look from never goes back within one log.
            let before = self.reached.get(&sent.partition).filter(|p| p.incarnation == sent.incarnation);
            let next = before.map_or(0, |p| p.next).max(sent.offset + 1);
            let position = Position { incarnation: sent.incarnation, next };
            self.reached.insert(sent.partition, position);
            reached.insert(sent.partition, position);
            if sent.partition == *at {
                self.place(*at, *offset, sent, &mut ranges);
            }
        }
        self.close_up();
        ahead.retain(|&seq| seq > self.up_to);
        ranges.extend(
            self.newest.iter().map(|(&at, &range)| (at, range)).filter(|(at, _)| reached.contains_key(at)),
        );
        Changes { up_to: self.up_to, ahead, reached: reached.into_iter().collect(), ranges }
    }

    /// Extends the newest range, or starts another and leaves the finished one in `ranges`.
    fn place(
        &mut self,
        at: TopicPartition,
        offset: u64,
        sent: &Sent,
        ranges: &mut Vec<(TopicPartition, Range)>,
    ) {
        let fresh =
            Range { start: offset, end: offset + 1, incarnation: sent.incarnation, broker: sent.offset };
        let Some(range) = self.newest.get_mut(&at) else {
            self.newest.insert(at, fresh);
            return;
        };
        if !range.extend(offset, sent) {
            ranges.push((at, *range));
            if offset >= range.end {
                *range = fresh;
            } else {
                // Records before the newest range, as a partition with several keys may have: a range of its own.
                ranges.push((at, fresh));
            }
        }
    }
}

impl Changes {
    /// Writes them, as part of the caller's transaction. Writing the same again changes nothing.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        connection.prepare_cached("UPDATE outbox_published SET seq = ?1")?.execute([self.up_to])?;
        connection.prepare_cached("DELETE FROM outbox_ahead WHERE seq <= ?1")?.execute([self.up_to])?;
        for seq in &self.ahead {
            connection
                .prepare_cached("INSERT OR IGNORE INTO outbox_ahead (seq) VALUES (?1)")?
                .execute([seq])?;
        }
        for (at, position) in &self.reached {
            connection
                .prepare_cached(
                    "INSERT INTO outbox_reached (topic, partition, incarnation, next_offset) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (topic, partition)
                     DO UPDATE SET incarnation = excluded.incarnation, next_offset = excluded.next_offset",
                )?
                .execute(params![
                    at.topic.code(),
                    at.partition.0,
                    position.incarnation.0.cast_signed(),
                    position.next
                ])?;
        }
        for (at, range) in &self.ranges {
            connection
                .prepare_cached(
                    "INSERT INTO outbox_places
                     (topic, partition, start_offset, end_offset, incarnation, broker_offset)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (topic, partition, start_offset) DO UPDATE SET end_offset = excluded.end_offset,
                     incarnation = excluded.incarnation, broker_offset = excluded.broker_offset",
                )?
                .execute(params![
                    at.topic.code(),
                    at.partition.0,
                    range.start,
                    range.end,
                    range.incarnation.0.cast_signed(),
                    range.broker,
                ])?;
        }
        Ok(())
    }
}
