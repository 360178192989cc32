//! Keeping journals bounded, without ever passing a consumer.

use std::sync::Arc;

use holdfast_contract::{Timestamp, Topic};
use holdfast_storage::{Group, Inbox, Journal, Seq, StoreError};
use rustc_hash::FxHashMap;

/// Something besides the consumer groups that still needs a journal's records.
pub trait Keeps: Send + Sync {
    /// The newest record that it no longer needs.
    fn done_with(&self) -> Seq;
}

/// Forgets the old records of one journal.
pub struct Retention {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The groups that consume it, with their topics and where their positions are.
    pub groups: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// What else needs it.
    pub others: Vec<Arc<dyn Keeps>>,
}

impl Retention {
    /// Forgets records from before `before` that nobody needs, a bounded number; says how many. Call it again until it
    /// says 0.
    ///
    /// # Errors
    /// If a store fails.
    pub async fn run(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut up_to = self.journal.committed().borrow().0;
        for other in &self.others {
            up_to = up_to.min(other.done_with().0);
        }
        let bounds = self.journal.bounds().await?;
        for (group, topics, inbox) in &self.groups {
            let positions: FxHashMap<_, _> = inbox.positions(group).await?.into_iter().collect();
            for b in bounds.iter().filter(|b| topics.contains(&b.partition.topic) && b.end > b.start) {
                let next = positions
                    .get(&b.partition)
                    .filter(|p| p.incarnation == self.journal.incarnation())
                    .map_or(b.start, |p| p.next);
                if next < b.end {
                    up_to = up_to.min(self.journal.locate(b.partition, next).await?.0);
                }
            }
        }
        // Only the oldest stretch is looked at: what is older than `before` is at its start.
        let oldest = self.journal.read(Seq(0), 1_000).await?;
        let old = oldest.iter().take_while(|r| r.at < before && r.seq.0 <= up_to).last().map(|r| r.seq);
        match old {
            Some(old) => self.journal.trim(old).await,
            None => Ok(0),
        }
    }
}
