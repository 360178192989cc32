//! The relay's side of the journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::Hold;
use super::mark::Published;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::outbox::{Claim, OutboxId, Sent, Unsent};
use crate::position::{Position, TopicPartition};
use crate::record::{Outgoing, Record, Seq};
use crate::sqlite::database::Database;
use crate::sqlite::journal::topic_partition;

pub(super) struct JournalClaim {
    db: Arc<Database>,
    hold: Hold,
    published: Published,
    /// The last record that was given.
    given: Seq,
    /// Where the journal has what was given and not recorded as sent.
    open: FxHashMap<u64, (TopicPartition, u64)>,
}

impl JournalClaim {
    pub(super) fn new(db: Arc<Database>, hold: Hold, published: Published) -> Self {
        let given = Seq(published.up_to);
        Self { db, hold, published, given, open: FxHashMap::default() }
    }

    fn give(&mut self, record: &Record) -> Option<Unsent> {
        if self.published.contains(record.seq.0) {
            return None;
        }
        self.open.insert(record.seq.0, (record.topic_partition(), record.offset));
        let outgoing = Outgoing {
            topic: record.topic,
            key: record.key.clone(),
            payload: record.payload.clone(),
            at: record.at,
            traceparent: record.traceparent.clone(),
        };
        Some(Unsent { id: OutboxId { scope: 0, number: record.seq.0 }, record: outgoing })
    }

    /// Where the journal has a record; `None` if it was forgotten.
    async fn locate(&self, seq: u64) -> Result<Option<(TopicPartition, u64)>, StoreError> {
        if let Some(&place) = self.open.get(&seq) {
            return Ok(Some(place));
        }
        self.db
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached("SELECT topic, partition, offset FROM journal WHERE seq = ?1")?;
                let found = statement
                    .query_row(params![seq], |row| Ok(topic_partition(row, 0).map(|at| (at, row.get(2)))))
                    .optional()?;
                found.map(|place| place.and_then(|(at, offset)| Ok((at, offset?)))).transpose()
            })
            .await
    }
}

#[async_trait]
impl Claim for JournalClaim {
    async fn unsent(&mut self, limit: usize) -> Result<Vec<Unsent>, StoreError> {
        loop {
            let records = Journal::read(&*self.db, self.given, limit).await?;
            let Some(last) = records.last() else { return Ok(Vec::new()) };
            self.given = last.seq;
            let unsent: Vec<Unsent> = records.iter().filter_map(|record| self.give(record)).collect();
            if !unsent.is_empty() {
                return Ok(unsent);
            }
        }
    }

    async fn sent(&mut self, records: &[Sent]) -> Result<(), StoreError> {
        let mut located = Vec::with_capacity(records.len());
        for sent in records.iter().filter(|sent| !self.published.contains(sent.id.number)) {
            if let Some((at, offset)) = self.locate(sent.id.number).await? {
                located.push((*sent, at, offset));
            }
        }
        if located.is_empty() {
            return Ok(());
        }
        // Taken over only once it is durable.
        let mut published = self.published.clone();
        let changes = published.add(&located);
        self.db.write(move |tx| changes.write(tx.connection())).await?;
        for (sent, ..) in &located {
            self.open.remove(&sent.id.number);
        }
        self.hold.0.published.store(published.up_to, Ordering::Release);
        self.published = published;
        Ok(())
    }

    async fn reached(&mut self) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        Ok(self.published.reached())
    }

    fn rewind(&mut self) {
        self.given = Seq(self.published.up_to);
        self.open.clear();
    }
}
