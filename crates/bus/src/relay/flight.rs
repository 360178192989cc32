//! What is on its way to the broker.

use std::collections::VecDeque;

use holdfast_contract::Timestamp;
use holdfast_storage::{Incarnation, OutboxId, Outgoing, Sent, TopicPartition};
use rustc_hash::FxHashMap;

use super::publisher::{Ack, PublishError};

/// A record that the producer has, or that the broker had already.
pub(super) struct Slot {
    pub(super) id: OutboxId,
    pub(super) record: Outgoing,
    pub(super) partition: TopicPartition,
    pub(super) incarnation: Incarnation,
    /// Where the broker has it.
    pub(super) offset: Option<u64>,
}

impl Slot {
    fn sent(&self, offset: u64) -> Sent {
        let Self { id, partition, incarnation, .. } = *self;
        Sent { id, partition, incarnation, offset }
    }

    fn weight(&self) -> usize {
        self.record.key.len() + self.record.payload.len()
    }
}

/// Keeps the order of publication: records become ready to be recorded only after all that were published before them,
/// so nothing is ever left out.
#[derive(Default)]
pub(super) struct Flight {
    slots: VecDeque<Slot>,
    /// The ticket of the first slot.
    first: u64,
    bytes: usize,
    /// Waiting for the broker.
    waiting: usize,
    /// At the broker, and not recorded.
    pub(super) ready: Vec<Sent>,
    /// The newest offsets that the broker gave.
    newest: FxHashMap<TopicPartition, u64>,
}

impl Flight {
    /// The ticket of the next record.
    pub(super) fn ticket(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub(super) fn records(&self) -> usize {
        self.slots.len() + self.ready.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many the broker has not acknowledged.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// When the oldest one that is on its way happened.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.slots.front().map(|slot| slot.record.at)
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.bytes += slot.weight();
        self.waiting += usize::from(slot.offset.is_none());
        self.slots.push_back(slot);
        self.settle();
    }

    /// Takes an acknowledgement, and has `published` look at the record.
    pub(super) fn ack(
        &mut self,
        ack: Ack,
        published: impl FnOnce(&Outgoing, &Sent),
    ) -> Result<(), PublishError> {
        let slot =
            ack.ticket.checked_sub(self.first).and_then(|n| self.slots.get_mut(usize::try_from(n).ok()?));
        let Some(slot) = slot.filter(|slot| slot.offset.is_none()) else { return Ok(()) };
        let before = self.newest.insert(slot.partition, ack.offset);
        // Offsets of a log only grow.
        if before.is_some_and(|before| before >= ack.offset) {
            return Err(PublishError::Replaced);
        }
        slot.offset = Some(ack.offset);
        self.waiting -= 1;
        published(&slot.record, &slot.sent(ack.offset));
        self.settle();
        Ok(())
    }

    fn settle(&mut self) {
        while let Some((slot, offset)) = self.slots.front().and_then(|slot| Some((slot, slot.offset?))) {
            self.ready.push(slot.sent(offset));
            self.bytes -= slot.weight();
            self.slots.pop_front();
            self.first += 1;
        }
    }
}
