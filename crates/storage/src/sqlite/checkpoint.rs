//! Folding the write-ahead log into the database, beside the writer.
//!
//! A checkpoint of tens of megabytes would keep every request waiting for as long. So a thread of its own copies what is
//! in the log while the writer goes on appending. What came meanwhile is little, and the writer folds it in itself: only
//! then does the log start anew.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::error::StoreError;

/// Pages in the log from which the thread copies them.
const START: u32 = 1_024;
/// Pages in the log from which the writer starts it anew, once the thread has copied most of it.
const RESTART: u32 = 4_096;
/// Pages in the log from which the writer does so in any case (256 MiB): the log must not grow without bound.
const LIMIT: u32 = 32_768;

const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

thread_local! {
    /// Pages in the log after the writer's last commit.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// The writer's side.
pub(super) struct Checkpoints {
    wake: Option<flume::Sender<()>>,
    copied: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Takes checkpoints of `writer` into its own hands; `helper` is another connection to the same database.
    pub(super) fn start(writer: &mut Connection, helper: Connection) -> Result<Self, StoreError> {
        writer.wal_hook(Some(|_: &mut _, pages: i32| {
            PAGES.set(pages.unsigned_abs());
            Ok(())
        }))?;
        let (wake, woken) = flume::bounded::<()>(1);
        let copied = Arc::new(AtomicBool::new(false));
        let done = copied.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    match fold(&helper) {
                        Ok(()) => done.store(true, Ordering::Release),
                        Err(error) => tracing::warn!(%error, "a checkpoint failed; it is tried again"),
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { wake: Some(wake), copied, thread: Some(thread) })
    }

    /// After each commit, on the writer's thread and outside a transaction.
    pub(super) fn after_commit(&self, writer: &Connection) {
        let pages = PAGES.get();
        if pages < START {
            return;
        }
        if pages >= LIMIT || (pages >= RESTART && self.copied.swap(false, Ordering::AcqRel)) {
            // The next commit starts the log anew, unless a reader is still in it: then this is tried again.
            if let Err(error) = fold(writer) {
                tracing::warn!(%error, "a checkpoint failed; it is tried again");
            }
        }
        if let Some(wake) = &self.wake {
            // Full: it is at work already.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn fold(connection: &Connection) -> Result<(), rusqlite::Error> {
    // Gives a row (busy, pages in the log, pages folded in); busy only means that the other side is at it.
    connection.query_row(FOLD, [], |_| Ok(()))
}
