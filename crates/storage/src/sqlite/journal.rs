//! The journal as tables of the service's database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Partition, Timestamp, Topic};
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::database::Database;
use crate::error::StoreError;
use crate::journal::{Bounds, Journal};
use crate::position::TopicPartition;
use crate::record::{Incarnation, Outgoing, Record, Seq};

/// A new index entry at least every so many offsets of a partition …
const INDEX_OFFSETS: u64 = 64;
/// … and every so many records of the journal, so that finding a record of a quiet topic is a short scan too.
const INDEX_SEQS: u64 = 1024;
/// Rows deleted by one `trim`.
const TRIM_ROWS: u64 = 2_000;

#[derive(Clone, Copy)]
struct Head {
    end: u64,
    indexed: Option<(u64, Seq)>,
}

/// Where the next records go. Owned by the writer thread; the tables are its durable form.
pub(super) struct Appender {
    partitions: u16,
    newest: Seq,
    heads: FxHashMap<TopicPartition, Head>,
    /// Appended in the open transaction.
    pending: Vec<Arc<Record>>,
    touched: Vec<(TopicPartition, Option<Head>)>,
}

/// Marks the state of an [`Appender`] that a failed request returns to.
pub(super) struct Mark {
    newest: Seq,
    pending: usize,
    touched: usize,
}

impl Appender {
    pub(super) fn load(connection: &Connection, partitions: u16) -> Result<Self, StoreError> {
        let newest: Option<u64> = connection.query_row("SELECT max(seq) FROM journal", [], |r| r.get(0))?;
        let trimmed: u64 = connection.query_row("SELECT trimmed FROM journal_identity", [], |r| r.get(0))?;
        let mut heads = FxHashMap::default();
        let mut statement = connection.prepare("SELECT topic, partition, end_offset FROM journal_heads")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            heads.insert(topic_partition(row, 0)?, Head { end: row.get(2)?, indexed: None });
        }
        Ok(Self {
            partitions,
            newest: Seq(newest.unwrap_or(0).max(trimmed)),
            heads,
            pending: Vec::new(),
            touched: Vec::new(),
        })
    }

    pub(super) fn newest(&self) -> Seq {
        self.newest
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { newest: self.newest, pending: self.pending.len(), touched: self.touched.len() }
    }

    pub(super) fn rewind(&mut self, mark: &Mark) {
        self.newest = mark.newest;
        self.pending.truncate(mark.pending);
        for (partition, head) in self.touched.drain(mark.touched..).rev() {
            match head {
                Some(head) => self.heads.insert(partition, head),
                None => self.heads.remove(&partition),
            };
        }
    }

    pub(super) fn append(
        &mut self,
        connection: &Connection,
        outgoing: Outgoing,
    ) -> Result<Arc<Record>, StoreError> {
        let partition = partition_of(&outgoing.key, self.partitions);
        let at = TopicPartition { topic: outgoing.topic, partition };
        let before = self.heads.get(&at).copied();
        let mut head = before.unwrap_or(Head { end: 0, indexed: None });
        let seq = Seq(self.newest.0 + 1);
        let Outgoing { topic, key, payload, at: time, traceparent } = outgoing;
        let record =
            Arc::new(Record { seq, topic, partition, offset: head.end, key, payload, at: time, traceparent });
        connection
            .prepare_cached(
                "INSERT INTO journal (seq, topic, partition, offset, at, key, payload, traceparent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                seq.0,
                topic.code(),
                partition.0,
                record.offset,
                time.as_millis(),
                &record.key[..],
                &record.payload[..],
                record.traceparent.as_deref(),
            ])?;
        let due = head
            .indexed
            .is_none_or(|(offset, s)| head.end >= offset + INDEX_OFFSETS || seq.0 >= s.0 + INDEX_SEQS);
        if due {
            connection
                .prepare_cached(
                    "INSERT INTO journal_index (topic, partition, offset, seq) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![topic.code(), partition.0, head.end, seq.0])?;
            head.indexed = Some((head.end, seq));
        }
        head.end += 1;
        self.newest = seq;
        self.heads.insert(at, head);
        self.touched.push((at, before));
        self.pending.push(record.clone());
        Ok(record)
    }

    /// Makes the new ends durable, as the last act of a transaction.
    pub(super) fn save(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut saved: Vec<TopicPartition> = self.touched.iter().map(|(at, _)| *at).collect();
        saved.sort_unstable();
        saved.dedup();
        for at in saved {
            let Some(head) = self.heads.get(&at) else { continue };
            connection
                .prepare_cached(
                    "INSERT INTO journal_heads (topic, partition, start_offset, end_offset) VALUES (?1, ?2, 0, ?3)
                     ON CONFLICT (topic, partition) DO UPDATE SET end_offset = excluded.end_offset",
                )?
                .execute(params![at.topic.code(), at.partition.0, head.end])?;
        }
        Ok(())
    }

    /// The records of a transaction that is now durable.
    pub(super) fn committed(&mut self) -> Vec<Arc<Record>> {
        self.touched.clear();
        std::mem::take(&mut self.pending)
    }
}

/// Reads the journal's identity, making it if the database is new.
pub(super) fn identity(connection: &Connection, partitions: u16) -> Result<(Incarnation, u16), StoreError> {
    let read = || {
        connection
            .query_row("SELECT incarnation, partitions FROM journal_identity", [], |row| {
                Ok((Incarnation(row.get::<_, i64>(0)?.cast_unsigned()), row.get(1)?))
            })
            .optional()
    };
    if let Some(identity) = read()? {
        return Ok(identity);
    }
    // SQLite's own generator is seeded by the operating system.
    connection.execute(
        "INSERT INTO journal_identity (incarnation, partitions) VALUES (random() & 0x7fffffffffffffff, ?1)",
        [partitions],
    )?;
    read()?.ok_or_else(|| StoreError::Inconsistent("the journal has no identity".to_owned()))
}

pub(super) fn topic_partition(row: &Row<'_>, first: usize) -> Result<TopicPartition, StoreError> {
    let code: u8 = row.get(first)?;
    let topic = Topic::from_code(code)
        .ok_or_else(|| StoreError::Inconsistent(format!("topic {code} of a record is unknown")))?;
    Ok(TopicPartition { topic, partition: Partition(row.get(first + 1)?) })
}

const COLUMNS: &str = "seq, topic, partition, offset, at, key, payload, traceparent";

fn record(row: &Row<'_>) -> Result<Arc<Record>, StoreError> {
    let TopicPartition { topic, partition } = topic_partition(row, 1)?;
    Ok(Arc::new(Record {
        seq: Seq(row.get(0)?),
        topic,
        partition,
        offset: row.get(3)?,
        at: Timestamp::from_millis(row.get(4)?),
        key: Bytes::from(row.get::<_, Vec<u8>>(5)?),
        payload: Bytes::from(row.get::<_, Vec<u8>>(6)?),
        traceparent: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
    }))
}

fn limit_rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Journal for Database {
    fn topics(&self) -> &[Topic] {
        self.journal_topics()
    }

    fn partitions(&self) -> u16 {
        self.journal_partitions()
    }

    fn incarnation(&self) -> Incarnation {
        self.journal_incarnation()
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.tail().committed()
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        if let Some(records) = self.tail().read(after, limit) {
            return Ok(records);
        }
        // A read snapshot may be newer than what was announced; never show what was not.
        let newest = self.tail().newest();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM journal WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
            ))?;
            let mut rows = statement.query(params![after.0, newest.0, limit_rows(limit)])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(record(row)?);
            }
            Ok(records)
        })
        .await
    }

    async fn locate(&self, at: TopicPartition, offset: u64) -> Result<Seq, StoreError> {
        self.read(move |connection| {
            let seq: Option<u64> = connection
                .prepare_cached(
                    "SELECT seq FROM journal_index WHERE topic = ?1 AND partition = ?2 AND offset <= ?3
                     ORDER BY offset DESC LIMIT 1",
                )?
                .query_row(params![at.topic.code(), at.partition.0, offset], |row| row.get(0))
                .optional()?;
            Ok(Seq(seq.map_or(0, |s| s.saturating_sub(1))))
        })
        .await
    }

    async fn bounds(&self) -> Result<Vec<Bounds>, StoreError> {
        let all: Vec<TopicPartition> = self
            .journal_topics()
            .iter()
            .flat_map(|&topic| {
                (0..self.journal_partitions()).map(move |p| TopicPartition { topic, partition: Partition(p) })
            })
            .collect();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT topic, partition, start_offset, end_offset FROM journal_heads")?;
            let mut rows = statement.query([])?;
            let mut found = FxHashMap::default();
            while let Some(row) = rows.next()? {
                found.insert(topic_partition(row, 0)?, (row.get(2)?, row.get(3)?));
            }
            Ok(all
                .into_iter()
                .map(|partition| {
                    let (start, end) = found.get(&partition).copied().unwrap_or((0, 0));
                    Bounds { partition, start, end }
                })
                .collect())
        })
        .await
    }

    async fn trim(&self, up_to: Seq) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let connection = tx.connection();
            let oldest: Option<u64> =
                connection.query_row("SELECT min(seq) FROM journal", [], |row| row.get(0))?;
            let Some(oldest) = oldest.filter(|&s| s <= up_to.0) else { return Ok(0) };
            let last = up_to.0.min(oldest + TRIM_ROWS - 1);
            connection.execute(
                "UPDATE journal_heads SET start_offset = gone.next FROM
                   (SELECT topic, partition, max(offset) + 1 AS next FROM journal WHERE seq <= ?1
                    GROUP BY topic, partition) AS gone
                 WHERE gone.topic = journal_heads.topic AND gone.partition = journal_heads.partition",
                [last],
            )?;
            connection.execute("UPDATE journal_identity SET trimmed = ?1", [last])?;
            // Of each partition's entries that point into what is forgotten, the newest stays: it is where the search
            // for its next record starts.
            connection.execute(
                "DELETE FROM journal_index WHERE seq <= ?1 AND EXISTS
                   (SELECT 1 FROM journal_index AS later WHERE later.topic = journal_index.topic
                    AND later.partition = journal_index.partition AND later.offset > journal_index.offset
                    AND later.seq <= ?1)",
                [last],
            )?;
            Ok(connection.execute("DELETE FROM journal WHERE seq <= ?1", [last])?)
        })
        .await
    }
}
