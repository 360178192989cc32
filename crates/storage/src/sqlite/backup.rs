//! Copying databases that are in use, as they all were at one instant.
//!
//! Copies taken one after the other would not fit together: a consumer's position could lie beyond the journal that it
//! reads, and an answer could be there without its question. So the writers of all files are held by SQLite's own lock,
//! a read snapshot of each is opened, and the writers go on: that takes as long as a commit or two. Everything else is read
//! from the snapshots, for as long as it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::database::{damage_of, open_with, reader};
use super::pages;
use super::schema::{Migrations, STORAGE};
use crate::error::StoreError;
use crate::record::Incarnation;

/// Between two attempts to get a write lock. A writer under load gives it free for a moment only.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// Attempts to get one lock while others are held (half a second): far less than a writer waits for its own lock, so that no
/// commit ever fails for a backup.
const PATIENCE: i32 = 2_500;
/// How often all locks are tried for.
const ROUNDS: usize = 60;
/// Pages copied in one go.
const STEP: i32 = 512;

/// A database as it was at one instant. Holding it keeps the write-ahead log from starting anew, so not for ever.
pub struct Frozen {
    view: Connection,
}

/// Where a database stands among the versions of the software, and in its own life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of each component's tables.
    pub schema: BTreeMap<String, u32>,
    /// Names the life of its journal.
    pub incarnation: Incarnation,
}

/// Opens all these databases as they are at one and the same instant; other processes may be writing to them, and wait
/// for some milliseconds. Blocks.
///
/// # Errors
/// [`StoreError::Unavailable`] if one is not there or its writer never gave way.
pub fn freeze(files: &[&Path]) -> Result<Vec<Frozen>, StoreError> {
    let mut locks = files.iter().map(|file| existing(file)).collect::<Result<Vec<_>, _>>()?;
    for lock in &mut locks {
        lock.busy_handler(Some(|tries| {
            #[allow(clippy::disallowed_methods, reason = "SQLite has nothing else to wait for a lock with")]
            std::thread::sleep(LOOK_EVERY);
            tries < PATIENCE
        }))?;
    }
    // Made before anything is held, because opening takes longer than all the rest.
    let views = files.iter().map(|file| reader(file, None)).collect::<Result<Vec<_>, _>>()?;
    for _ in 1..ROUNDS {
        match held(&locks, &views) {
            Err(error) if error.is_transient() => {}
            done => return done.map(|()| views.into_iter().map(|view| Frozen { view }).collect()),
        }
    }
    held(&locks, &views).map(|()| views.into_iter().map(|view| Frozen { view }).collect())
}

/// Opens the snapshot of each view while all locks are held, and lets go of the locks in any case.
fn held(locks: &[Connection], views: &[Connection]) -> Result<(), StoreError> {
    let frozen = locks
        .iter()
        .try_for_each(|lock| Ok(lock.execute_batch("BEGIN IMMEDIATE")?))
        .and_then(|()| views.iter().try_for_each(open_snapshot));
    for lock in locks.iter().filter(|lock| !lock.is_autocommit()) {
        lock.execute_batch("ROLLBACK")?;
    }
    frozen
}

fn open_snapshot(view: &Connection) -> Result<(), StoreError> {
    if view.is_autocommit() {
        view.execute_batch("BEGIN")?;
    }
    // The snapshot is that of the first read.
    view.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u64>(0))?;
    Ok(())
}

impl Frozen {
    /// What is in it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn identity(&self) -> Result<Identity, StoreError> {
        identity_of(&self.view)
    }

    /// Bytes of the copy.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.view.query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |r| r.get(0),
        )?)
    }

    /// Writes it to a new file; every page is proved as it is read, and gets its checksum as it is written.
    /// `go_on` is told how many bytes are there, and stops the copying by giving `false`; then so does this. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] if a page is damaged, [`StoreError::Unavailable`] if the file cannot be written.
    pub fn copy_to(&self, file: &Path, mut go_on: impl FnMut(u64) -> bool) -> Result<bool, StoreError> {
        let page: u64 = self.view.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let mut copy =
            open_with(file, None, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let backup = Backup::new(&self.view, &mut copy)?;
        loop {
            let step = backup.step(STEP)?;
            let at = backup.progress();
            let done = at.pagecount.saturating_sub(at.remaining).unsigned_abs();
            let more = go_on(u64::from(done) * page);
            match step {
                StepResult::Done => return Ok(true),
                _ if !more => return Ok(false),
                _ => {}
            }
        }
    }
}

/// What is in the database at `file`, which nobody else has open. Blocks.
///
/// # Errors
/// If it cannot be read.
pub fn identity(file: &Path) -> Result<Identity, StoreError> {
    identity_of(&existing(file)?)
}

fn identity_of(connection: &Connection) -> Result<Identity, StoreError> {
    let schema = connection
        .prepare("SELECT component, version FROM schema_versions")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let incarnation: i64 =
        connection.query_row("SELECT incarnation FROM journal_identity", [], |row| row.get(0))?;
    Ok(Identity { schema, incarnation: Incarnation(incarnation.cast_unsigned()) })
}

/// The version of `component` that this build knows, in databases of the service with these tables; `None` if it is not among
/// them.
pub fn known_version(own: Migrations, component: &str) -> Option<u32> {
    let all = [STORAGE, super::outbox::OUTBOX, own];
    let found = all.into_iter().find(|migrations| migrations.component == component)?;
    u32::try_from(found.steps.len()).ok()
}

/// Reads every page of the database at `file` and proves it, as [`super::Database::check_pages`] does. Blocks.
///
/// # Errors
/// [`StoreError::Inconsistent`] with the first damage.
pub fn check_file(file: &Path) -> Result<(), StoreError> {
    check_connection(&existing(file)?, file)
}

/// Reads every page through `connection` and proves it.
pub(super) fn check_connection(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    // What an earlier read of this thread has found is not told of again.
    drop(pages::found());
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" {
        return Ok(());
    }
    Err(StoreError::Inconsistent(damage_of(file, &pages::found().unwrap_or(said))))
}

/// Begins another life of databases that were frozen together and are to be used again: from here on their journals will
/// say something else than those they were copied from.
///
/// Each journal gets a new incarnation, so that a live client or a cursor that has seen the lost end of the old life is
/// told so. The positions of consumers follow to the new one: up to here both lives are the same, so nothing is read
/// twice. Where an outbox had come to at a broker is forgotten: the broker's log is of the old life, and everything that
/// is kept is published anew. Nobody else may have the files open. Blocks.
///
/// # Errors
/// If one cannot be read or written. Then all of them have to be copied anew.
pub fn begin_new_life(files: &[&Path]) -> Result<(), StoreError> {
    let mut connections = files.iter().map(|file| existing(file)).collect::<Result<Vec<_>, _>>()?;
    let mut lives = Vec::new();
    for connection in &connections {
        let old = identity_of(connection)?.incarnation;
        // SQLite's own generator is seeded by the operating system.
        let new: i64 = connection.query_row("SELECT random() & 0x7fffffffffffffff", [], |row| row.get(0))?;
        lives.push((old.0.cast_signed(), new));
    }
    for (connection, (_, new)) in connections.iter_mut().zip(&lives) {
        let transaction = connection.transaction()?;
        transaction.execute("UPDATE journal_identity SET incarnation = ?1", [new])?;
        for (old, new) in &lives {
            transaction
                .execute("UPDATE consumed SET incarnation = ?2 WHERE incarnation = ?1", params![old, new])?;
        }
        if has_outbox(&transaction)? {
            transaction.execute_batch(
                "UPDATE outbox_published SET seq = 0; DELETE FROM outbox_ahead; DELETE FROM outbox_reached;
                 DELETE FROM outbox_places;",
            )?;
        }
        transaction.commit()?;
    }
    Ok(())
}

fn has_outbox(connection: &Connection) -> Result<bool, StoreError> {
    let found = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'outbox_published'", [], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

fn existing(file: &Path) -> Result<Connection, StoreError> {
    if !file.is_file() {
        return Err(StoreError::Unavailable(format!("{} is not there", file.display())));
    }
    open_with(file, None, OpenFlags::SQLITE_OPEN_READ_WRITE)
}
