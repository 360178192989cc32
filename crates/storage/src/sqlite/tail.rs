//! The newest records, in memory: what consumers usually want next, without reading it back from disk.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::record::{Record, Seq};

/// Bounded by bytes; older records are read from the database.
pub(super) struct Tail {
    recent: Mutex<Recent>,
    committed: watch::Sender<Seq>,
    /// The same as a bare number, for those who only want to be woken.
    counted: watch::Sender<u64>,
    max_bytes: usize,
}

#[derive(Default)]
struct Recent {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(newest: Seq, max_bytes: usize) -> Self {
        let counted = watch::Sender::new(newest.0);
        Self { recent: Mutex::default(), committed: watch::Sender::new(newest), counted, max_bytes }
    }

    pub(super) fn committed(&self) -> watch::Receiver<Seq> {
        self.committed.subscribe()
    }

    pub(super) fn counted(&self) -> watch::Receiver<u64> {
        self.counted.subscribe()
    }

    pub(super) fn newest(&self) -> Seq {
        *self.committed.borrow()
    }

    /// Takes the records of a durable commit, then wakes the consumers.
    pub(super) fn publish(&self, records: Vec<Arc<Record>>) {
        let Some(newest) = records.last().map(|r| r.seq) else { return };
        {
            let mut recent = self.recent.lock();
            for record in records {
                recent.bytes += record.weight();
                recent.records.push_back(record);
            }
            while recent.bytes > self.max_bytes {
                let Some(oldest) = recent.records.pop_front() else { break };
                recent.bytes -= oldest.weight();
            }
        }
        self.committed.send_replace(newest);
        self.counted.send_replace(newest.0);
    }

    /// The records after `after`, if all of them are here.
    pub(super) fn read(&self, after: Seq, limit: usize) -> Option<Vec<Arc<Record>>> {
        if after >= self.newest() {
            return Some(Vec::new());
        }
        let recent = self.recent.lock();
        let first = recent.records.front()?.seq;
        let skip = usize::try_from((after.0 + 1).checked_sub(first.0)?).ok()?;
        Some(recent.records.iter().skip(skip).take(limit).cloned().collect())
    }
}
