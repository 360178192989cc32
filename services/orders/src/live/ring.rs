//! The newest frames, in memory, for every connection.

use std::collections::VecDeque;
use std::sync::Arc;

use holdfast_bus::TailPosition;
use holdfast_storage::Bounds;

use super::frame::Frame;

/// Frames in the order they were tailed in, counted over the life of the gateway. Holds every frame between `floor` and
/// `head`.
pub(super) struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Number of the oldest frame that is kept, or of the next one.
    first: u64,
    bytes: usize,
    max_bytes: usize,
    floor: TailPosition,
    head: TailPosition,
}

/// What a connection finds at its place.
pub(super) enum Found {
    /// The next frames, at least one.
    Frames(Vec<Arc<Frame>>),
    /// It has them all.
    Nothing,
    /// What comes next is no longer here.
    Gone,
}

impl Ring {
    /// An empty ring for what follows `head`; frames count from `first`.
    pub(super) fn new(head: TailPosition, first: u64, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), first, bytes: 0, max_bytes, floor: head.clone(), head }
    }

    /// Takes the frames of records that were tailed; `head` is the position after the last record.
    pub(super) fn push(&mut self, frames: Vec<Frame>, head: TailPosition) {
        for frame in frames {
            self.bytes += frame.weight();
            self.frames.push_back(Arc::new(frame));
        }
        self.head = head;
        while self.bytes > self.max_bytes && self.frames.len() > 1 {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.weight();
            self.first += 1;
            oldest.step(&mut self.floor);
        }
    }

    /// Up to `max` frames from number `from` on, and at least one, but not more than `max_bytes` otherwise.
    pub(super) fn read(&self, from: u64, max: usize, max_bytes: usize) -> Found {
        let Some(skip) = from.checked_sub(self.first) else { return Found::Gone };
        // Numbers are handed out by this ring or lie before it, so the difference is at most its length.
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |frame: &&Arc<Frame>| {
            let first = bytes == 0;
            bytes += frame.weight();
            first || bytes <= max_bytes
        };
        let frames: Vec<_> = self.frames.iter().skip(skip).take(max).take_while(fits).cloned().collect();
        if frames.is_empty() { Found::Nothing } else { Found::Frames(frames) }
    }

    /// Number of the oldest frame.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Number that the next frame will get.
    pub(super) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// After the newest record that was tailed.
    pub(super) fn head(&self) -> &TailPosition {
        &self.head
    }

    /// Whether every frame after `position` is here.
    pub(super) fn reaches_back_to(&self, position: &TailPosition) -> bool {
        self.floor.is_within(position)
    }

    /// Reads a token of a position that the ring reaches back to. Whatever it is otherwise, the bus has to say.
    pub(super) fn place(&self, token: &str) -> Option<TailPosition> {
        let starts: Vec<Bounds> = self
            .floor
            .offsets()
            .iter()
            .map(|&(partition, start)| Bounds { partition, start, end: u64::MAX })
            .collect();
        TailPosition::parse(token, &self.head, &starts).ok()
    }

    /// How many records `position` is behind the newest one.
    pub(super) fn behind(&self, position: &TailPosition) -> u64 {
        let ends = self.head.offsets().iter().zip(position.offsets());
        ends.map(|((_, end), (_, next))| end.saturating_sub(*next)).sum()
    }
}
