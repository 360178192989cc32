//! Folding the write-ahead log into the database, beside the writer.
//!
//! A checkpoint of tens of megabytes would keep every request waiting for as long. So a thread of its own copies what is
//! in the log while the writer goes on appending. What came meanwhile is little, and the writer folds it in itself: only
//! then does the log start anew.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::error::StoreError;

/// Pages in the log from which the thread copies them (64 MiB): a page that is written often is then copied once.
pub const CHECKPOINT_PAGES: u32 = 16_384;
/// At so many times as many (256 MiB) the writer does it all itself: the log must not grow without bound.
const LIMIT: u32 = 4;

const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

thread_local! {
    /// Pages in the log after the writer's last commit.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Nothing to do, or not yet.
const IDLE: u8 = 0;
/// The thread is copying.
const COPYING: u8 = 1;
/// It has copied what there was when it began; the writer does the rest.
const COPIED: u8 = 2;

/// The writer's side.
pub(super) struct Checkpoints {
    wake: Option<flume::Sender<()>>,
    state: Arc<AtomicU8>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log from which on they are copied.
    from: u32,
}

impl Checkpoints {
    /// Takes checkpoints of `writer` into its own hands, from so many pages in the log on; `helper` is another connection
    /// to the same database.
    pub(super) fn start(writer: &mut Connection, helper: Connection, from: u32) -> Result<Self, StoreError> {
        writer.wal_hook(Some(|_: &mut _, pages: i32| {
            PAGES.set(pages.unsigned_abs());
            Ok(())
        }))?;
        let (wake, woken) = flume::bounded::<()>(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let thread_state = state.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    fold(&helper);
                    thread_state.store(COPIED, Ordering::Release);
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { wake: Some(wake), state, thread: Some(thread), from })
    }

    /// After each commit, on the writer's thread and outside a transaction.
    pub(super) fn after_commit(&self, writer: &Connection) {
        let pages = PAGES.get();
        if pages < self.from {
            return;
        }
        match self.state.load(Ordering::Acquire) {
            COPIED => {
                // The next commit starts the log anew, unless a reader is still in it: then all of this is done again.
                fold(writer);
                self.state.store(IDLE, Ordering::Release);
            }
            IDLE => {
                self.state.store(COPYING, Ordering::Release);
                if let Some(wake) = &self.wake {
                    let _ = wake.try_send(());
                }
            }
            _ if pages / LIMIT >= self.from => fold(writer),
            _ => {}
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

fn fold(connection: &Connection) {
    // Gives a row (busy, pages in the log, pages folded in); busy only means that the other side is at it.
    if let Err(error) = connection.query_row(FOLD, [], |_| Ok(())) {
        tracing::warn!(%error, "a checkpoint failed; it is tried again");
    }
}
