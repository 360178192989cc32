//! Who is a member of which group, and which partitions each has.

use holdfast_contract::Topic;
use holdfast_storage::{Group, TopicPartition};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberId(u64);

/// The groups of one bus.
pub(super) struct Groups {
    members: Mutex<Members>,
    /// Counts rebalances; consumers look at it before they poll, and wake when it changes.
    generation: watch::Sender<u64>,
}

#[derive(Default)]
struct Members {
    last: u64,
    of: FxHashMap<Group, Vec<(MemberId, Vec<Topic>)>>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { members: Mutex::default(), generation: watch::Sender::new(0) }
    }
}

impl Groups {
    pub(super) fn join(&self, group: Group, topics: &[Topic]) -> MemberId {
        let mut members = self.members.lock();
        members.last += 1;
        let id = MemberId(members.last);
        members.of.entry(group).or_default().push((id, topics.to_vec()));
        drop(members);
        self.generation.send_modify(|g| *g += 1);
        id
    }

    pub(super) fn leave(&self, group: Group, member: MemberId) {
        if let Some(members) = self.members.lock().of.get_mut(group) {
            members.retain(|(id, _)| *id != member);
        }
        self.generation.send_modify(|g| *g += 1);
    }

    pub(super) fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The share of `member`: the partitions of each topic, dealt out in turn to the members that consume it.
    pub(super) fn assigned(
        &self,
        group: Group,
        member: MemberId,
        partitions: &[TopicPartition],
    ) -> Vec<TopicPartition> {
        let members = self.members.lock();
        let Some(all) = members.of.get(group) else { return Vec::new() };
        partitions
            .iter()
            .filter(|tp| {
                let sharing: Vec<_> = all.iter().filter(|(_, topics)| topics.contains(&tp.topic)).collect();
                sharing
                    .get(usize::from(tp.partition.0) % sharing.len().max(1))
                    .is_some_and(|(id, _)| *id == member)
            })
            .copied()
            .collect()
    }
}
