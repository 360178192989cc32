//! A layer sees what SQLite does, and can refuse it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::*;

#[derive(Default)]
struct Counts {
    open: AtomicI64,
    writes: AtomicU64,
    syncs: AtomicU64,
    /// Writes that are refused once there were so many.
    refuse_after: AtomicU64,
}

struct Counting(Arc<Counts>);
struct Counted(Arc<Counts>);

impl Layer for Counting {
    fn open(
        &self,
        _: &Opening<'_>,
        beneath: &mut dyn FnMut() -> Result<(), Code>,
    ) -> Result<Box<dyn File>, Code> {
        beneath()?;
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Counted(self.0.clone())))
    }
}

impl File for Counted {
    fn write(&mut self, beneath: &mut Beneath<'_>, data: &[u8], offset: u64) -> Result<(), Code> {
        let so_far = self.0.writes.fetch_add(1, Ordering::SeqCst);
        if so_far >= self.0.refuse_after.load(Ordering::SeqCst) {
            return Err(Code::FULL);
        }
        beneath.write(data, offset)
    }

    fn sync(&mut self, beneath: &mut Beneath<'_>) -> Result<(), Code> {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        beneath.sync()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_layer_sees_every_write_and_may_refuse_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let counts = Arc::new(Counts::default());
    counts.refuse_after.store(u64::MAX, Ordering::SeqCst);
    register("counting", None, Arc::new(Counting(counts.clone()))).unwrap();
    let connection = Connection::open_with_flags_and_vfs(&path, OpenFlags::default(), "counting").unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a)")
        .unwrap();
    let (writes, syncs) = (counts.writes.load(Ordering::SeqCst), counts.syncs.load(Ordering::SeqCst));
    connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert!(counts.writes.load(Ordering::SeqCst) > writes);
    assert!(counts.syncs.load(Ordering::SeqCst) > syncs);

    counts.refuse_after.store(0, Ordering::SeqCst);
    let error = connection.execute("INSERT INTO t VALUES (2)", []).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    counts.refuse_after.store(u64::MAX, Ordering::SeqCst);
    connection.execute("INSERT INTO t VALUES (3)", []).unwrap();
    let sum: i64 = connection.query_row("SELECT sum(a) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 4);
    drop(connection);
    assert_eq!(counts.open.load(Ordering::SeqCst), 0, "every file that was opened is let go");

    let sum: i64 =
        Connection::open(&path).unwrap().query_row("SELECT sum(a) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 4, "an ordinary database");
}

#[test]
fn names_are_taken_once_and_must_be_known() {
    let layer = || Arc::new(Counting(Arc::default()));
    register("once", None, layer()).unwrap();
    assert!(matches!(register("once", None, layer()), Err(RegisterError::Taken(_))));
    assert!(matches!(register("on nothing", Some("nothing"), layer()), Err(RegisterError::Unknown(_))));
    register("twice", Some("once"), layer()).unwrap();
}

#[test]
fn pages_can_be_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let connection = Connection::open(&path).unwrap();
    reserve_bytes(&connection, 8).unwrap();
    connection.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(connection);
    assert_eq!(std::fs::read(&path).unwrap()[20], 8);
}
