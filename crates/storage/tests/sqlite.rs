//! The SQLite back-end: the conformance suite, and what is its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::sqlite::{Database, Migrations, Options, connect, freeze, remove_parked};
use holdfast_storage::suite::{self, Commit, Harness, Store, outgoing};
use holdfast_storage::{Inbox, Journal, Record, Seq, StoreError};

const NONE: Migrations =
    Migrations { component: "test", steps: &["CREATE TABLE notes (text TEXT NOT NULL) STRICT"] };

fn open(path: &Path) -> Result<Database, StoreError> {
    Database::open(&Options::new(path, NONE, Topic::FROM_ORDERS))
}

struct Sqlite(Arc<Database>);

#[async_trait]
impl Store for Sqlite {
    fn journal(&self) -> Arc<dyn Journal> {
        self.0.clone()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.0.clone()
    }

    async fn commit(&self, commit: Commit) -> Result<Vec<Arc<Record>>, StoreError> {
        self.0
            .write(move |tx| {
                for parked in &commit.park {
                    tx.park(parked)?;
                }
                let records = commit.outgoing.into_iter().map(|o| tx.append(o)).collect::<Result<_, _>>()?;
                for advance in &commit.advances {
                    tx.advance(advance)?;
                }
                if let Some(id) = commit.unpark
                    && !remove_parked(tx.connection(), id)?
                {
                    return Err(StoreError::Unavailable("not parked".to_owned()));
                }
                if commit.fail_at_the_end {
                    return Err(StoreError::Unavailable("asked to".to_owned()));
                }
                Ok(records)
            })
            .await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[async_trait]
impl Harness for Folder {
    async fn open(&self, n: u32) -> Arc<dyn Store> {
        Arc::new(Sqlite(Arc::new(open(&self.file(&format!("{n}.db"))).unwrap())))
    }
}

#[tokio::test]
async fn conforms() {
    suite::run(&Folder::new()).await;
}

#[tokio::test]
async fn old_records_are_read_from_disk_when_memory_is_short() {
    let folder = Folder::new();
    let options =
        Options { tail_bytes: 2_000, ..Options::new(folder.file("a.db"), NONE, Topic::FROM_ORDERS) };
    let db = Database::open(&options).unwrap();
    let written: Vec<Arc<Record>> = db
        .write(|tx| {
            (0..500).map(|n| tx.append(outgoing(Topic::OrderLive, n))).collect::<Result<_, StoreError>>()
        })
        .await
        .unwrap();
    let mut read = Vec::new();
    while let Some(more) =
        Some(Journal::read(&db, Seq(read.len() as u64), 64).await.unwrap()).filter(|m| !m.is_empty())
    {
        read.extend(more);
    }
    assert_eq!(read, written);
}

fn note(
    db: &Database,
    text: &'static str,
    then: Result<(), ()>,
) -> impl Future<Output = Result<(), StoreError>> {
    db.write(move |tx| {
        tx.connection().execute("INSERT INTO notes VALUES (?1)", [text])?;
        then.map_err(|()| StoreError::Unavailable("asked to".to_owned()))
    })
}

async fn notes(db: &Database) -> Vec<String> {
    db.read(|c| {
        let mut statement = c.prepare("SELECT text FROM notes ORDER BY rowid")?;
        let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(rows)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn one_request_that_fails_or_panics_does_not_touch_its_neighbours() {
    let folder = Folder::new();
    let db = open(&folder.file("a.db")).unwrap();
    let panicking = db.write(|tx| -> Result<(), StoreError> {
        tx.connection().execute("INSERT INTO notes VALUES ('panicked')", [])?;
        panic!("on purpose");
    });
    let (a, b, c, d) =
        tokio::join!(note(&db, "a", Ok(())), note(&db, "b", Err(())), panicking, note(&db, "d", Ok(())));
    assert!(a.is_ok() && b.is_err() && c.is_err() && d.is_ok());
    assert_eq!(notes(&db).await, ["a", "d"]);
}

/// A state change with its event: both are there or neither, whatever happens in between.
#[tokio::test]
async fn invariant_6_no_event_without_its_change_and_no_change_without_its_event() {
    let folder = Folder::new();
    let db = open(&folder.file("a.db")).unwrap();
    let change = |n: u16, then: Result<(), ()>, event_first: bool| {
        db.write(move |tx| {
            for event in [event_first, !event_first] {
                if event {
                    tx.append(outgoing(Topic::OrderLive, n))?;
                } else {
                    tx.connection().execute("INSERT INTO notes VALUES (?1)", [n.to_string()])?;
                }
            }
            then.map_err(|()| StoreError::Unavailable("asked to".to_owned()))
        })
    };
    let mut kept = Vec::new();
    for n in 0..60 {
        // In one group commit with a neighbour that stays.
        let fails = change(n, Err(()), n % 2 == 0);
        let stays = change(n + 100, Ok(()), n % 3 == 0);
        let (fails, stays) = tokio::join!(fails, stays);
        assert!(fails.is_err() && stays.is_ok());
        kept.push(n + 100);
    }
    db.close().await;
    let db = open(&folder.file("a.db")).unwrap();
    let events: Vec<_> =
        Journal::read(&db, Seq(0), 1_000).await.unwrap().iter().map(|r| r.key.clone()).collect();
    assert_eq!(events, kept.iter().map(|n| suite::order_key(*n)).collect::<Vec<_>>());
    assert_eq!(notes(&db).await, kept.iter().map(u16::to_string).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_effect_after_commit_runs_only_for_what_stays() {
    let folder = Folder::new();
    let db = open(&folder.file("a.db")).unwrap();
    let (ran, seen) = flume::unbounded();
    for keep in [true, false] {
        let ran = ran.clone();
        let result = db
            .write(move |tx| {
                tx.after_commit(move || ran.send(keep).unwrap());
                if keep { Ok(()) } else { Err(StoreError::Unavailable("asked to".to_owned())) }
            })
            .await;
        assert_eq!(result.is_ok(), keep);
    }
    assert_eq!(seen.drain().collect::<Vec<_>>(), [true]);
}

#[tokio::test]
async fn another_process_a_newer_schema_and_a_damaged_file_are_refused() {
    let folder = Folder::new();
    let path = folder.file("a.db");
    let db = open(&path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::InUse(_))));
    db.close().await;
    drop(db);
    holdfast_storage::sqlite::connect(&path)
        .unwrap()
        .execute("UPDATE schema_versions SET version = 99", [])
        .unwrap();
    let newer = open(&path).err().unwrap();
    assert!(matches!(newer, StoreError::NewerSchema { found: 99, .. }), "{newer}");
    assert!(newer.to_string().contains("start the build that wrote it"), "{newer}");
    std::fs::write(folder.file("b.db"), b"this is not a database, and long enough to be read as a page")
        .unwrap();
    assert!(matches!(open(&folder.file("b.db")), Err(StoreError::Inconsistent(_))));
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_without_a_clean_close() {
    let folder = Folder::new();
    let path = folder.file("a.db");
    let db = open(&path).unwrap();
    note(&db, "kept", Ok(())).await.unwrap();
    // A copy of the files, as a crash at this moment would leave them.
    let copy = folder.file("copy.db");
    for suffix in ["", "-wal"] {
        let from = PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
    }
    assert_eq!(notes(&open(&copy).unwrap()).await, ["kept"]);
}

/// Larger than SQLite's cache, so that pages are written before the first one is.
#[tokio::test]
async fn a_copy_has_checksums_in_all_its_pages() {
    let folder = Folder::new();
    let (path, copy) = (folder.file("a.db"), folder.file("copy.db"));
    drop(open(&path).unwrap());
    let connection = connect(&path).unwrap();
    connection.execute_batch("CREATE TABLE large (a BLOB)").unwrap();
    for _ in 0..6 {
        connection.execute("INSERT INTO large VALUES (randomblob(1000000))", []).unwrap();
    }
    drop(connection);
    assert!(freeze(&[&path]).unwrap()[0].copy_to(&copy, |_| true).unwrap());
    let said: String =
        connect(&copy).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
    let mut content = std::fs::read(&copy).unwrap();
    assert_eq!(content[20], 8, "bytes of each page that are reserved");
    assert!(content.chunks_exact(4096).all(|page| page.ends_with(b"HFs1")));

    // And a bit that turns is noticed, by the name of the file.
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&copy, content).unwrap();
    let error = connect(&copy)
        .unwrap()
        .query_row("SELECT sum(length(hex(a))) FROM large", [], |row| row.get::<_, i64>(0));
    let error = StoreError::from(error.unwrap_err());
    let StoreError::Inconsistent(what) = error else { panic!("{error}") };
    assert!(what.contains("copy.db: page"), "{what}");
}
