//! The disk itself: what it loses, what it keeps, and that SQLite notices what goes wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::*;

fn open(disk: &Disk, path: &Path) -> Connection {
    let connection = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), disk.vfs()).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").unwrap();
    connection
}

fn sum(connection: &Connection) -> i64 {
    connection.query_row("SELECT coalesce(sum(a), 0) FROM t", [], |row| row.get(0)).unwrap()
}

/// After every flush all of it is there, and before it whatever was flushed before: with `synchronous = OFF` this fails.
#[test]
fn what_was_flushed_survives_and_what_was_not_may_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let connection = open(&disk, &folder.path().join("a.db"));
    connection.execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
    let (send, images) = mpsc::channel();
    let committed = Arc::new(AtomicU64::new(0));
    let so_far = committed.clone();
    disk.watch(move |moment| {
        for seed in 0..4 {
            let loss = [Loss::Nothing, Loss::Everything][usize::from(seed == 1)];
            let loss =
                if seed < 2 { loss } else { Loss::Sectors { seed: moment.point * 4 + seed, percent: 50 } };
            let _ = send.send((so_far.load(Ordering::SeqCst), moment.after_power_loss(loss)));
        }
    });
    for a in 1..=20 {
        connection.execute("INSERT INTO t VALUES (?1)", [a]).unwrap();
        committed.fetch_add(1, Ordering::SeqCst);
        if a == 10 {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
    }
    disk.unwatch();
    drop(connection);
    let (mut seen, mut lost) = (0, 0);
    for (committed, image) in images.try_iter() {
        let folder = tempfile::tempdir().unwrap();
        image.write(folder.path()).unwrap();
        let connection = Connection::open(folder.path().join("a.db")).unwrap();
        let found = sum(&connection);
        let (least, most) = (committed * (committed + 1) / 2, (committed + 1) * (committed + 2) / 2);
        assert!([least, most].contains(&found.cast_unsigned()), "{committed} committed: {found}");
        (seen, lost) = (seen + 1, lost + u32::from(found.cast_unsigned() == least));
    }
    assert!(seen > 200 && lost > 50 && lost < seen, "{lost} of {seen}");
}

#[test]
fn sqlite_is_told_what_goes_wrong_and_goes_on_when_it_is_over() {
    for (fault, code) in [
        (Fault::Refused, ErrorCode::SystemIoFailure),
        (Fault::Short, ErrorCode::SystemIoFailure),
        (Fault::Full, ErrorCode::DiskFull),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        let connection = open(&disk, &folder.path().join("a.db"));
        connection.execute_batch("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)").unwrap();
        disk.plan(Plan { at: disk.points() + 1, points: 1, fault });
        let error = connection.execute("INSERT INTO t VALUES (10)", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(code), "{fault:?}: {error}");
        assert_eq!((disk.faults(), disk.is_well()), (1, true));
        connection.execute("INSERT INTO t VALUES (100)", []).unwrap();
        assert_eq!(sum(&connection), 101);
    }
}

#[test]
fn a_deletion_that_is_not_durable_may_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, b"old").unwrap();
    let mut files = Files::default();
    files.deleted(&path, false);
    assert_eq!(power::after(&files, Loss::Everything).0[&path], b"old");
    assert!(power::after(&files, Loss::Nothing).0.is_empty());
    files.made(&path);
    files.written(&path, 0, b"new");
    assert_eq!(power::after(&files, Loss::Everything).0[&path], b"old");
    files.flushed(&path, false);
    assert_eq!(power::after(&files, Loss::Everything).0[&path], b"new");
    files.deleted(&path, true);
    assert!(power::after(&files, Loss::Everything).0.is_empty());
}

#[test]
fn writes_are_torn_at_sectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, vec![0; 4096]).unwrap();
    let mut files = Files::default();
    files.written(&path, 100, &[1; 2000]);
    let image = power::after(&files, Loss::Sectors { seed: 1, percent: 50 });
    let content = &image.0[&path];
    let of =
        |range: std::ops::Range<usize>| content[range.clone()].iter().all(|b| *b == content[range.start]);
    assert!(of(100..512) && of(512..1024) && of(1024..1536) && of(1536..2048) && of(2048..2100));
    assert!(content.contains(&1) && content[100..2100].contains(&0));
}

/// Whoever looks for a VFS looks through all of them.
#[test]
fn a_disk_that_is_gone_leaves_nothing_and_its_place_to_the_next() {
    let names: std::collections::BTreeSet<String> = (0..200)
        .map(|n| {
            let folder = tempfile::tempdir().unwrap();
            let disk = Disk::new();
            assert_eq!((disk.points(), disk.faults()), (0, 0), "a new one");
            disk.plan(Plan { at: 1_000 + n, points: 1, fault: Fault::Refused });
            open(&disk, &folder.path().join("a.db")).execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
            assert!(disk.points() > 0);
            disk.clone().vfs().to_owned()
        })
        .collect();
    // As many as other tests have at the same time, and this one's.
    assert!(names.len() < 20, "{names:?}");
}
