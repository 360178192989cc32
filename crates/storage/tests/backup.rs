//! Copies of databases that are in use, and the new life of what was copied.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_contract::{Partition, Topic};
use holdfast_storage::sqlite::{
    Database, Migrations, Options, begin_new_life, check_file, connect, freeze, identity,
};
use holdfast_storage::suite::outgoing;
use holdfast_storage::{Advance, Inbox, Journal, Position, StoreError, TopicPartition};

const COUNTED: Migrations = Migrations {
    component: "test",
    steps: &["CREATE TABLE count (n INTEGER NOT NULL) STRICT; INSERT INTO count VALUES (0)"],
};
const AT: TopicPartition = TopicPartition { topic: Topic::FROM_ORDERS[0], partition: Partition(0) };

fn open(path: &Path) -> Arc<Database> {
    Arc::new(Database::open(&Options::new(path, COUNTED, Topic::FROM_ORDERS)).unwrap())
}

async fn count_up(db: &Database) {
    db.write(|tx| Ok::<_, StoreError>(tx.connection().execute("UPDATE count SET n = n + 1", []).map(drop)?))
        .await
        .unwrap();
}

fn count(file: &Path) -> u64 {
    connect(file).unwrap().query_row("SELECT n FROM count", [], |row| row.get(0)).unwrap()
}

fn files<const N: usize>(folder: &tempfile::TempDir, names: [&str; N]) -> [PathBuf; N] {
    names.map(|name| folder.path().join(name))
}

/// Each step is committed in the first database and then in the second: at any instant the first is ahead by one, or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_of_one_instant_while_writers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = files(&folder, ["first.db", "second.db"]);
    let (one, two) = (open(&first), open(&second));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let mut writing = tokio::task::JoinSet::new();
    writing.spawn(async move {
        while !stopped.load(Ordering::Acquire) {
            count_up(&one).await;
            count_up(&two).await;
        }
    });
    let mut last = 0;
    for n in 0..20 {
        let copies = files(&folder, [&format!("first-{n}.db"), &format!("second-{n}.db")]);
        let sources = [first.clone(), second.clone()];
        let counts = tokio::task::spawn_blocking(move || {
            let frozen = freeze(&sources.each_ref().map(PathBuf::as_path)).unwrap();
            for (frozen, copy) in frozen.iter().zip(&copies) {
                assert!(frozen.copy_to(copy, |_| true).unwrap());
                check_file(copy).unwrap();
            }
            copies.map(|copy| count(&copy))
        });
        let [ahead, behind] = counts.await.unwrap();
        assert!(ahead == behind || ahead == behind + 1, "{ahead} and {behind} are not of one instant");
        assert!(behind >= last, "a later copy is not older");
        last = behind;
    }
    assert!(last > 0, "nothing was written meanwhile");
    stop.store(true, Ordering::Release);
    writing.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn copying_ends_when_it_is_told_to_and_needs_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let [file, copy, missing] = files(&folder, ["a.db", "copy.db", "missing.db"]);
    let db = open(&file);
    let large = "INSERT INTO count SELECT value FROM (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s LIMIT 500000) SELECT value FROM s)";
    db.write(move |tx| Ok::<_, StoreError>(tx.connection().execute(large, []).map(drop)?)).await.unwrap();
    let frozen = freeze(&[&file]).unwrap();
    assert!(!frozen[0].copy_to(&copy, |_| false).unwrap());
    assert!(matches!(freeze(&[&file, &missing]), Err(StoreError::Unavailable(_))));
    assert!(!missing.exists(), "looking makes nothing");
}

/// Positions in a journal that begins a new life are those that they were; of journals that are not part of it, nothing changes.
#[tokio::test]
async fn a_new_life_is_recognised_and_goes_on_where_the_old_one_was_copied() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = files(&folder, ["first.db", "second.db"]);
    let (one, two) = (open(&first), open(&second));
    let elsewhere = Position { incarnation: holdfast_storage::Incarnation(77), next: 5 };
    let read = Position { incarnation: one.incarnation(), next: 1 };
    one.write(|tx| tx.append(outgoing(AT.topic, 1)).map(drop)).await.unwrap();
    two.write(move |tx| {
        tx.advance(&Advance { group: "reader", partition: AT, from: None, to: read })?;
        tx.advance(&Advance { group: "other", partition: AT, from: None, to: elsewhere })
    })
    .await
    .unwrap();
    let olds = [one.incarnation(), two.incarnation()];
    one.close().await;
    two.close().await;
    drop((one, two));

    begin_new_life(&[&first, &second]).unwrap();
    let (one, two) = (open(&first), open(&second));
    assert_ne!(one.incarnation(), olds[0]);
    assert_ne!(two.incarnation(), olds[1]);
    let moved = Position { incarnation: one.incarnation(), next: 1 };
    assert_eq!(two.positions("reader").await.unwrap(), [(AT, moved)]);
    assert_eq!(two.positions("other").await.unwrap(), [(AT, elsewhere)]);
    one.close().await;
    let found = identity(&first).unwrap();
    assert_eq!(found.incarnation, moved.incarnation);
    assert_eq!(found.schema.get("test"), Some(&1));
}
