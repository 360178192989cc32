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
                return Ok((found, after));
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
