//! Reading along on the embedded bus.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::Topic;
use holdfast_storage::{Journal, Record, Seq};

use super::reader::{Scan, grown};
use super::{EmbeddedBus, bounds_of, scan_start};
use crate::{BusError, Tail, TailFrom, TailPosition};

pub(super) struct EmbeddedTail {
    topics: Vec<Topic>,
    scans: Vec<Scan>,
    position: TailPosition,
}

impl EmbeddedTail {
    pub(super) async fn start(
        journals: Vec<Arc<dyn Journal>>,
        topics: &[Topic],
        from: TailFrom<'_>,
    ) -> Result<Self, BusError> {
        let newest: Vec<Seq> = journals.iter().map(|j| *j.committed().borrow()).collect();
        let bounds = bounds_of(&journals, topics).await?;
        let end = TailPosition::at_end(&EmbeddedBus::incarnations(&journals), &bounds);
        let position = match from {
            TailFrom::Now => end,
            TailFrom::Token(token) => TailPosition::parse(token, &end, &bounds)?,
        };
        let next = |tp| position.offsets().iter().find(|(p, _)| *p == tp).map(|(_, next)| *next);
        let mut scans = Vec::with_capacity(journals.len());
        for (journal, newest) in journals.into_iter().zip(newest) {
            let after = scan_start(journal.as_ref(), newest, &bounds, next).await?;
            scans.push(Scan::new(journal, after));
        }
        Ok(Self { topics: topics.to_vec(), scans, position })
    }
}

#[async_trait]
impl Tail for EmbeddedTail {
    async fn next(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        loop {
            let mut records = Vec::new();
            for at in 0..self.scans.len() {
                let mut position = self.position.clone();
                let scan = &mut self.scans[at];
                let wanted = |r: &Record| self.topics.contains(&r.topic) && position.step(r);
                let room = max.max(1) - records.len();
                let (found, after) = scan.find(room, wanted).await?;
                // No await from here to the return below takes records away: the future may be dropped at `find` only
                // while nothing was collected.
                scan.after = after;
                for record in &found {
                    self.position.step(record);
                }
                records.extend(found);
                if !records.is_empty() {
                    break;
                }
            }
            if !records.is_empty() {
                // The other journals take their turn first next time.
                self.scans.rotate_left(1);
                return Ok(records);
            }
            grown(&mut self.scans).await?;
        }
    }

    fn position(&self) -> &TailPosition {
        &self.position
    }
}
