//! The steps of an order's history.

use holdfast_orders::domain::LiveKind;
use holdfast_orders::store::{ChangeParts, Place, StepCause, StepLive, StepOutgoing, TimelineStep};
use holdfast_storage::Record;

use super::super::outbox::Published;

/// A step, with the places that its records have in the journal.
pub(super) struct Step {
    step: TimelineStep,
    /// The journal's numbers of its events, then of its live messages.
    records: Vec<u64>,
}

/// Writes a step while its records get their places.
pub(super) struct Recorder {
    step: Step,
}

impl Recorder {
    pub(super) fn new(change: &ChangeParts) -> Self {
        let order = &change.order;
        let step = TimelineStep {
            at: change.at,
            cause: StepCause::System,
            version: order.version,
            status: order.status(),
            stock: order.stock.status(),
            note: change.note,
            outgoing: Vec::with_capacity(change.events.len()),
            live: Vec::with_capacity(change.live.len()),
        };
        Self { step: Step { step, records: Vec::with_capacity(change.events.len() + change.live.len()) } }
    }

    /// The next record of the change has its place; events come before live messages.
    pub(super) fn sent(&mut self, record: &Record, live: Option<LiveKind>) {
        let Step { step, records } = &mut self.step;
        let place = Place { topic: record.topic, partition: record.partition, offset: Some(record.offset) };
        match live {
            Some(kind) => step.live.push(StepLive { kind, place }),
            None => match StepOutgoing::at(place) {
                Some(outgoing) => step.outgoing.push(outgoing),
                // No event of an order, so no timeline tells of it.
                None => return,
            },
        }
        records.push(record.seq.0);
    }

    pub(super) fn last_record(&self) -> u64 {
        self.step.records.last().copied().unwrap_or(0)
    }

    pub(super) fn finish(self, cause: StepCause) -> Step {
        let Step { step, records } = self.step;
        Step { step: TimelineStep { cause, ..step }, records }
    }
}

impl Step {
    /// With the journal's places.
    pub(super) fn in_journal(&self) -> &TimelineStep {
        &self.step
    }

    /// With the broker's places, as far as they are known.
    pub(super) fn at_broker(&self, published: &Published) -> TimelineStep {
        let mut step = self.step.clone();
        let events = step.outgoing.iter_mut().map(|outgoing| &mut outgoing.place);
        let places = events.chain(step.live.iter_mut().map(|live| &mut live.place));
        for (place, record) in places.zip(&self.records) {
            match published.place(*record) {
                Some(sent) => {
                    place.partition = sent.partition.partition;
                    place.offset = Some(sent.offset);
                }
                None => place.offset = None,
            }
        }
        step
    }
}

/// Whether it is a note about an event that was taken in before: nothing happened twice.
pub(super) fn is_repeated(steps: &[Step], step: &Step) -> bool {
    let StepCause::Event(event) = &step.step.cause else { return false };
    let same = |earlier: &Step| matches!(&earlier.step.cause, StepCause::Event(earlier) if earlier.event_id == event.event_id);
    step.step.note && steps.iter().any(same)
}
