//! Scanning journals for the records of some partitions.

use std::sync::Arc;

use futures_util::future::select_all;
use holdfast_storage::{Journal, Record, Seq};
use tokio::sync::watch;

use super::SCAN;
use crate::BusError;

/// A journal and how far it was scanned.
pub(super) struct Scan {
    journal: Arc<dyn Journal>,
    committed: watch::Receiver<Seq>,
    pub(super) after: Seq,
}

impl Scan {
    pub(super) fn new(journal: Arc<dyn Journal>, after: Seq) -> Self {
        let committed = journal.committed();
        Self { journal, committed, after }
    }

    /// Up to `max` records that are `wanted`, and the place after the last one looked at.
    pub(super) async fn find(
        &mut self,
        max: usize,
        mut wanted: impl FnMut(&Record) -> bool,
    ) -> Result<(Vec<Arc<Record>>, Seq), BusError> {
        let mut found = Vec::new();
        let mut after = self.after;
        loop {
            // Read before the records: of everything up to here, what is not shown then was trimmed.
            let newest = *self.committed.borrow();
            let records = self.journal.read(after, SCAN).await?;
            let exhausted = records.len() < SCAN;
            for record in records {
                if found.len() == max {
                    return Ok((found, after));
                }
                after = record.seq;
                if wanted(&record) {
                    found.push(record);
                }
            }
            if exhausted {
                // Else a journal that was trimmed to its end would be scanned again and again, and waiting for it never wait.
                return Ok((found, after.max(newest)));
            }
            if found.is_empty() {
                // Nothing for us so far: no need to scan this stretch again.
                self.after = after;
            }
        }
    }
}

/// Waits until one of the journals has more than was scanned of it.
pub(super) async fn grown(scans: &mut [Scan]) -> Result<(), BusError> {
    if scans.is_empty() {
        return std::future::pending().await;
    }
    let waits = scans.iter_mut().map(|scan| {
        let after = scan.after;
        Box::pin(async move { scan.committed.wait_for(|newest| *newest > after).await.map(drop) })
    });
    let (first, ..) = select_all(waits).await;
    first.map_err(|_| {
        BusError::Unavailable(holdfast_storage::StoreError::Unavailable("the journal is closed".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use holdfast_contract::{Timestamp, Topic};
    use holdfast_storage::sqlite::{Database, Migrations, Options};
    use holdfast_storage::{Outgoing, StoreError};

    use super::*;

    async fn append(journal: &Database, count: usize) {
        let outgoing = Outgoing {
            topic: Topic::StockChanged,
            key: "key".into(),
            payload: "{}".into(),
            at: Timestamp::default(),
            traceparent: None,
        };
        let written = journal.write(move |tx| {
            for _ in 0..count {
                tx.append(outgoing.clone())?;
            }
            Ok::<_, StoreError>(())
        });
        written.await.unwrap();
    }

    #[tokio::test]
    async fn a_journal_that_was_trimmed_to_its_end_is_waited_for_not_scanned_again() {
        let folder = tempfile::tempdir().unwrap();
        let none = Migrations { component: "test", steps: &[] };
        // Without records in memory, so that what was trimmed is gone at once.
        let options = Options {
            tail_bytes: 0,
            ..Options::new(folder.path().join("test.db"), none, Topic::FROM_PRODUCTS)
        };
        let journal = Arc::new(Database::open(&options).unwrap());
        append(&journal, 3).await;
        let mut scan = Scan::new(journal.clone(), Seq(0));
        while journal.trim(Seq(3)).await.unwrap() > 0 {}
        let (found, after) = scan.find(10, |_| true).await.unwrap();
        assert_eq!((found.len(), after), (0, Seq(3)));
        scan.after = after;
        let mut scans = [scan];
        assert!(grown(&mut scans).now_or_never().is_none());
        append(&journal, 1).await;
        grown(&mut scans).await.unwrap();
        let (found, after) = scans[0].find(10, |_| true).await.unwrap();
        assert_eq!((found.len(), after), (1, Seq(4)));
    }
}
