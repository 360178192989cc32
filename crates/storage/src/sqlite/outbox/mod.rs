//! The journal as an outbox: no second copy of the records, only how far they were published and where the broker has
//! them.

mod claim;
mod mark;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use holdfast_contract::Topic;
use rusqlite::{OptionalExtension, params};
use tokio::sync::watch;

use self::claim::JournalClaim;
use self::mark::Published;
use super::database::Database;
use super::schema::{self, Migrations};
use crate::error::StoreError;
use crate::outbox::{Claim, Outbox, Places};
use crate::position::TopicPartition;
use crate::record::{Incarnation, Seq};

/// Made when the database is first used behind a broker.
pub(super) const OUTBOX: Migrations = Migrations {
    component: "outbox",
    steps: &["
        -- One row: every record up to here is at the broker.
        CREATE TABLE outbox_published (seq INTEGER NOT NULL) STRICT;
        INSERT INTO outbox_published (seq) VALUES (0);

        -- Records after that which are at the broker too. Few, and soon none.
        CREATE TABLE outbox_ahead (seq INTEGER PRIMARY KEY) STRICT;

        -- Per partition of the broker the place after the last record that is known to be there.
        CREATE TABLE outbox_reached (
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            incarnation INTEGER NOT NULL,
            next_offset INTEGER NOT NULL,
            PRIMARY KEY (topic, partition)
        ) STRICT, WITHOUT ROWID;

        -- Where the broker has what the journal counts: `start_offset..end_offset` of the journal's partition is at
        -- `broker_offset` and following of the same partition at the broker. A range grows for as long as both count alike.
        CREATE TABLE outbox_places (
            topic INTEGER NOT NULL,
            partition INTEGER NOT NULL,
            start_offset INTEGER NOT NULL,
            end_offset INTEGER NOT NULL,
            incarnation INTEGER NOT NULL,
            broker_offset INTEGER NOT NULL,
            PRIMARY KEY (topic, partition, start_offset)
        ) STRICT, WITHOUT ROWID;
    "],
};

/// The outbox of a database whose records are in its journal. The database's file lock keeps other processes out, so the
/// one shard is claimed by the first relay of this process.
pub struct JournalOutbox {
    db: Arc<Database>,
    shared: Arc<Shared>,
}

/// What a claim leaves behind.
struct Shared {
    claimed: AtomicBool,
    published: AtomicU64,
}

impl JournalOutbox {
    /// Puts the journal of `db` behind a broker: all that it holds and was not published yet is unsent.
    ///
    /// # Errors
    /// If the store fails, or was used by a newer build.
    pub async fn open(db: Arc<Database>) -> Result<Self, StoreError> {
        let published = db
            .write(|tx| {
                schema::migrate_within(tx.connection(), &OUTBOX)?;
                Published::load(tx.connection())
            })
            .await?;
        let shared = Shared { claimed: AtomicBool::new(false), published: AtomicU64::new(published.up_to) };
        Ok(Self { db, shared: Arc::new(shared) })
    }

    /// Every record up to this one is at the broker. Retention must not pass it.
    pub fn published(&self) -> Seq {
        Seq(self.shared.published.load(Ordering::Acquire))
    }
}

#[async_trait]
impl Outbox for JournalOutbox {
    fn topics(&self) -> &[Topic] {
        self.db.journal_topics()
    }

    fn incarnation(&self) -> Incarnation {
        self.db.journal_incarnation()
    }

    fn shards(&self) -> u16 {
        1
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.tail().counted()
    }

    async fn claim(&self, _shard: u16) -> Result<Option<Box<dyn Claim>>, StoreError> {
        if self.shared.claimed.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        // From here on dropping gives the claim back, also if reading fails or is given up.
        let hold = Hold(self.shared.clone());
        // On the writer: a mark of the last owner that is still under way comes first.
        let published = self.db.write(|tx| Published::load(tx.connection())).await?;
        Ok(Some(Box::new(JournalClaim::new(self.db.clone(), hold, published))))
    }
}

#[async_trait]
impl Places for JournalOutbox {
    async fn at_broker(&self, at: TopicPartition, offset: u64) -> Result<Option<u64>, StoreError> {
        self.db
            .read(move |connection| {
                // A range of another incarnation than the newest is in a log that is gone.
                let found: Option<(u64, u64, u64)> = connection
                    .prepare_cached(
                        "SELECT p.start_offset, p.end_offset, p.broker_offset FROM outbox_places AS p
                         JOIN outbox_reached AS r ON r.topic = p.topic AND r.partition = p.partition
                         AND r.incarnation = p.incarnation
                         WHERE p.topic = ?1 AND p.partition = ?2 AND p.start_offset <= ?3
                         ORDER BY p.start_offset DESC LIMIT 1",
                    )?
                    .query_row(params![at.topic.code(), at.partition.0, offset], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .optional()?;
                let within = found.filter(|(start, end, _)| (*start..*end).contains(&offset));
                Ok(within.map(|(start, _, broker)| broker + (offset - start)))
            })
            .await
    }
}

/// The claim itself: given back when dropped.
struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.claimed.store(false, Ordering::Release);
    }
}
