//! One connection's way through the changes: what comes next for it, each change once.

use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::{BusError, Tail, TailFrom, TailPosition};
use holdfast_contract::Topic;
use holdfast_storage::Record;
use tokio::sync::watch;

use super::ask::{Ask, Filter};
use super::frame::{Frame, Message, Notice, ReloadReason};
use super::hub::{Hub, Seat};
use super::ring::{Found, Ring};

/// Messages that are handed to a transport at once.
const BATCH: usize = 128;
/// Bytes that are: they stay in memory until a slow client has taken them.
const BATCH_BYTES: usize = 64 << 10;
/// Records that are read from the bus at first. How large they are shows then.
const FIRST_READ: usize = 16;
/// How long to wait before a bus that is away is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Gives a connection its messages. What it has given is a prefix of every partition, so a [`TailPosition`] says
/// exactly what a client has been told, and going on after one leaves out nothing and repeats nothing.
pub(super) struct Subscription {
    seat: Seat,
    changed: watch::Receiver<u64>,
    filter: Filter,
    at: At,
    told: Told,
    /// Records since the client was last given a `seq`.
    unseen: usize,
    /// Records to read from the bus at once, so that they are about [`BATCH_BYTES`].
    read: usize,
}

/// Where it is.
enum At {
    /// Nothing was given yet; the client wants to go on after this position.
    Start(Option<String>),
    /// In the ring, before the frame of this number. `own`: it has been given other records before it than the ring has
    /// before that frame, so some frames are to be skipped, and the others need a `seq` of their own.
    Ring { next: u64, own: Option<TailPosition> },
    /// What comes next is not in the ring: the bus has to be asked for what follows [`Told`].
    Fallen,
    /// Reading what was missed from the bus.
    Behind(Box<dyn Tail>),
}

/// The position after everything that was given or filtered out.
enum Told {
    Position(String),
    Frame(Arc<Frame>),
}

impl Told {
    fn as_str(&self) -> &str {
        match self {
            Self::Position(position) => position,
            Self::Frame(frame) => frame.position(),
        }
    }
}

impl Subscription {
    pub(super) fn new(seat: Seat, ask: Ask) -> Self {
        let changed = seat.hub().watch_ring();
        let told = Told::Position(String::new());
        Self {
            seat,
            changed,
            filter: ask.filter,
            at: At::Start(ask.resume),
            told,
            unseen: 0,
            read: FIRST_READ,
        }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        self.seat.hub()
    }

    /// Where a client that got everything so far is; `None` before the first message.
    pub(super) fn position(&self) -> Option<&str> {
        Some(self.told.as_str()).filter(|position| !position.is_empty())
    }

    /// Waits for the next messages; gives at least one. Cancel safe: nothing is taken before the last await.
    pub(super) async fn next(&mut self) -> Vec<Message> {
        loop {
            let messages = match &mut self.at {
                At::Start(_) => self.start().await,
                At::Ring { .. } => self.read_ring().await,
                At::Fallen => self.catch_up(false).await,
                At::Behind(_) => self.read_bus().await,
            };
            if !messages.is_empty() {
                return messages;
            }
        }
    }

    async fn start(&mut self) -> Vec<Message> {
        // Marked as seen before the look, so that no change is missed after it.
        self.changed.borrow_and_update();
        if self.hub().ring(|_| ()).is_none() {
            let _ = self.changed.changed().await;
            return Vec::new();
        }
        let At::Start(resume) = &self.at else { return Vec::new() };
        let Some(token) = resume.clone() else { return self.live(None) };
        let hub = self.hub().clone();
        let in_ring = hub.ring(|ring| Some((ring.first(), ring.place(&token)?))).flatten();
        self.told = Told::Position(token);
        if let Some((next, own)) = in_ring {
            self.at = At::Ring { next, own: Some(own) };
            return vec![self.ready(true)];
        }
        let messages = self.catch_up(true).await;
        if messages.is_empty() {
            // Not decided yet: the bus is away.
            let token = self.told.as_str().to_owned();
            self.at = At::Start(Some(token));
        }
        messages
    }

    /// Goes on at the newest change, having left out what was before it if `reload` says why.
    fn live(&mut self, reload: Option<ReloadReason>) -> Vec<Message> {
        let hub = self.hub().clone();
        let Some((end, head)) = hub.ring(|ring| (ring.end(), ring.head().to_string())) else {
            return Vec::new();
        };
        let first = matches!(self.at, At::Start(_));
        self.at = At::Ring { next: end, own: None };
        self.told = Told::Position(head);
        self.unseen = 0;
        let mut messages = Vec::new();
        if first {
            messages.push(self.ready(false));
        }
        if let Some(reason) = reload {
            messages.push(Message::Notice(Notice::reload(self.position(), reason, hub.now())));
        }
        messages
    }

    fn ready(&self, resumed: bool) -> Message {
        Message::Notice(Notice::ready(self.told.as_str(), resumed, self.hub().now()))
    }

    async fn read_ring(&mut self) -> Vec<Message> {
        let At::Ring { next, .. } = self.at else { return Vec::new() };
        self.changed.borrow_and_update();
        match self.hub().ring(|ring| ring.read(next, BATCH, BATCH_BYTES)) {
            Some(Found::Frames(frames)) => self.take(frames),
            Some(Found::Nothing) | None => {
                let _ = self.changed.changed().await;
                Vec::new()
            }
            Some(Found::Gone) => {
                // The ring's frames may be told apart from `own` only while it is there.
                if let At::Ring { own: Some(own), .. } = &self.at {
                    self.told = Told::Position(own.to_string());
                }
                self.at = At::Fallen;
                Vec::new()
            }
        }
    }

    /// Takes the next frames of the ring.
    fn take(&mut self, frames: Vec<Arc<Frame>>) -> Vec<Message> {
        let At::Ring { next, own } = &mut self.at else { return Vec::new() };
        *next += frames.len() as u64;
        let mut given = Vec::with_capacity(frames.len());
        for frame in frames {
            let frame = match own {
                None => frame,
                Some(position) => {
                    let fresh = frame.step(position);
                    let token = position.to_string();
                    let same = token == frame.position();
                    let mine = if same { frame } else { Arc::new(frame.with_position(position)) };
                    if same {
                        // From here on it has been given what everybody has.
                        *own = None;
                    }
                    if !fresh {
                        continue;
                    }
                    mine
                }
            };
            self.unseen += 1;
            if self.filter.lets_through(&frame) {
                self.unseen = 0;
                given.push(Message::Frame(frame.clone()));
            }
            self.told = Told::Frame(frame);
        }
        self.remind(&mut given);
        given
    }

    /// Asks the bus for what follows; nothing if it has to be asked again. `first`: the client was told nothing yet.
    async fn catch_up(&mut self, first: bool) -> Vec<Message> {
        let hub = self.hub().clone();
        match hub.bus.tail(Topic::LIVE, TailFrom::Token(self.told.as_str())).await {
            Ok(tail) => {
                if self.too_far_behind(tail.position()) {
                    return self.live(Some(ReloadReason::TooFarBehind));
                }
                metrics::counter!("live_catch_ups_total").increment(1);
                self.at = At::Behind(tail);
                if first { vec![self.ready(true)] } else { Vec::new() }
            }
            Err(BusError::TooFarBehind) => self.live(Some(ReloadReason::TooFarBehind)),
            Err(BusError::InvalidPosition) => self.live(Some(ReloadReason::UnknownPosition)),
            Err(BusError::Unavailable(error)) => {
                tracing::debug!(%error, "the bus is away; a live client waits to catch up");
                tokio::time::sleep(RETRY).await;
                Vec::new()
            }
        }
    }

    fn too_far_behind(&self, position: &TailPosition) -> bool {
        let behind = self.hub().ring(|ring| ring.behind(position));
        behind.is_some_and(|records| records > self.hub().config.max_behind)
    }

    async fn read_bus(&mut self) -> Vec<Message> {
        let hub = self.hub().clone();
        let At::Behind(tail) = &mut self.at else { return Vec::new() };
        let mut position = tail.position().clone();
        let back = |ring: &Ring| ring.reaches_back_to(&position).then(|| ring.first());
        if let Some(next) = hub.ring(back).flatten() {
            self.at = At::Ring { next, own: Some(position) };
            return Vec::new();
        }
        // The ring reaches back less far than this, so there is more to read and the permit is not held for long.
        let Ok(_permit) = hub.catch_ups.acquire().await else { return Vec::new() };
        let records = match tail.next(self.read).await {
            Ok(records) => records,
            Err(error) => {
                tracing::debug!(%error, "catching up failed; trying again");
                tokio::time::sleep(RETRY).await;
                self.at = At::Fallen;
                return Vec::new();
            }
        };
        let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
        self.read = if bytes > BATCH_BYTES { self.read / 2 } else { self.read * 2 }.clamp(1, BATCH);
        let mut given = Vec::with_capacity(records.len());
        for record in records {
            // Retention took records away while they were being read.
            if has_gap(&position, &record) {
                given.extend(self.live(Some(ReloadReason::TooFarBehind)));
                return given;
            }
            if !position.step(&record) {
                continue;
            }
            self.unseen += 1;
            let Some(frame) = Frame::new(&record, &position) else { continue };
            let frame = Arc::new(frame);
            if self.filter.lets_through(&frame) {
                self.unseen = 0;
                given.push(Message::Frame(frame.clone()));
            }
            self.told = Told::Frame(frame);
        }
        if self.too_far_behind(&position) {
            given.extend(self.live(Some(ReloadReason::TooFarBehind)));
        }
        self.remind(&mut given);
        given
    }

    /// Tells a client that has been given nothing in a long while where it is, so that it need not reload later.
    fn remind(&mut self, given: &mut Vec<Message>) {
        if self.unseen >= self.hub().config.position_every.max(1) {
            self.unseen = 0;
            given.push(Message::Notice(Notice::position(self.told.as_str(), self.hub().now())));
        }
    }
}

fn has_gap(position: &TailPosition, record: &Record) -> bool {
    let at = record.topic_partition();
    position.offsets().iter().any(|&(partition, next)| partition == at && next < record.offset)
}

#[cfg(test)]
mod tests {
    use holdfast_bus::EmbeddedBus;
    use holdfast_contract::{Partition, Timestamp};
    use holdfast_service::{Lifecycle, ManualClock};
    use holdfast_storage::{Bounds, Incarnation, Seq, TopicPartition};

    use super::*;
    use crate::live::LiveConfig;

    /// Records of each of the two partitions.
    const EACH: u64 = 3;
    const LOGS: &[Incarnation] = &[Incarnation(1)];

    fn bounds(end: u64) -> Vec<Bounds> {
        let topic = Topic::OrderLive;
        let bounds =
            |p| Bounds { partition: TopicPartition { topic, partition: Partition(p) }, start: 0, end };
        vec![bounds(0), bounds(1)]
    }

    fn record(partition: u16, offset: u64) -> Record {
        Record {
            seq: Seq(0),
            topic: Topic::OrderLive,
            partition: Partition(partition),
            offset,
            key: bytes::Bytes::from_static(b"order"),
            payload: r#"{"event":"order:updated","order":{},"message":"","timestamp":""}"#.into(),
            at: Timestamp::default(),
            traceparent: None,
        }
    }

    fn offsets(token: &str) -> [u64; 2] {
        let end = TailPosition::at_end(LOGS, &bounds(EACH));
        let position = TailPosition::parse(token, &end, &bounds(EACH)).unwrap();
        [position.offsets()[0].1, position.offsets()[1].1]
    }

    /// Whatever a client had been given before it came to the ring, and in whichever order the ring was filled: it is
    /// given the rest once, and after each message its `seq` says exactly what it has been given.
    #[tokio::test]
    async fn the_way_into_the_ring_leaves_out_and_repeats_nothing() {
        for order in 0u32..1 << (2 * EACH) {
            if order.count_ones() != EACH as u32 {
                continue;
            }
            for had in (0..=EACH).flat_map(|a| (0..=EACH).map(move |b| [a, b])) {
                enter(order, had).await;
            }
        }
    }

    /// The bits of `order` choose the partition of each record of the ring; `had` is what was given before.
    async fn enter(order: u32, had: [u64; 2]) {
        let bus = Arc::new(EmbeddedBus::new(Vec::new()));
        let lifecycle = Lifecycle::new(Duration::ZERO);
        let clock = Arc::new(ManualClock::default());
        let hub = Arc::new(Hub::new(bus, clock, lifecycle, LiveConfig::default(), None));
        let mut head = TailPosition::at_end(LOGS, &bounds(0));
        hub.begin(head.clone());
        let seat = hub.seat("test").unwrap();
        let mut own = head.clone();
        for (partition, count) in [(0, had[0]), (1, had[1])] {
            for offset in 0..count {
                assert!(own.step(&record(partition, offset)));
            }
        }
        let mut subscription = Subscription::new(seat, Ask::default());
        let next = hub.ring(Ring::first).unwrap();
        subscription.told = Told::Position(own.to_string());
        subscription.at = At::Ring { next, own: Some(own) };

        let mut filled = [0, 0];
        let mut frames = Vec::new();
        for bit in 0..2 * EACH {
            let partition = usize::from(order >> bit & 1 == 1);
            let record = record(partition as u16, filled[partition]);
            filled[partition] += 1;
            head.step(&record);
            frames.push(Frame::new(&record, &head).unwrap());
        }
        // In two pushes, so that it also arrives at the ring's end in between.
        let second = frames.split_off(EACH as usize);
        hub.push(frames, head.clone());
        let mut given = had;
        let mut take = |messages: Vec<Message>| {
            for message in messages {
                let Message::Frame(frame) = message else { panic!("{}", message.json()) };
                let partition = usize::from(frame.place().partition.0);
                given[partition] += 1;
                assert!(frame.json().get().contains(&format!("/{partition}/{}~", given[partition] - 1)));
                assert_eq!(offsets(frame.position()), given, "order {order:b}, had {had:?}");
            }
        };
        take(subscription.read_ring().await);
        hub.push(second, head);
        take(subscription.read_ring().await);
        assert_eq!(given, [EACH, EACH]);
        assert_eq!(offsets(subscription.position().unwrap()), given);
    }
}
