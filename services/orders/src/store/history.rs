//! The history of an order: one compact step per change, appended to the order's row in the commit of the change.
//!
//! Steps are kept for ever, so what a byte means never changes; new fields go to the end of a step, whose length is
//! written before it, and readers skip what they do not know.

use std::sync::Arc;

use holdfast_contract::stock::{Balances, Movement, MovementKind};
use holdfast_contract::text::{Name, UserId};
use holdfast_contract::{LineId, OrderStatus, Partition, ProductId, StockStatus, Timestamp, Topic};
use holdfast_storage::{Record, StoreError};

use super::change::{Change, StepCause, StepEvent};
use crate::domain::{Item, LiveKind, Order};

/// A place on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: Partition,
    /// The offset in it; `None` until the record was published.
    pub offset: Option<u64>,
}

/// An event that a step sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepOutgoing {
    /// Its type (`ORDER_CREATED`).
    pub event_type: &'static str,
    /// Where it is.
    pub place: Place,
}

impl StepOutgoing {
    /// The event that is at `place`; `None` if no event of an order goes to that topic.
    pub fn at(place: Place) -> Option<Self> {
        Some(Self { event_type: event_type(place.topic)?, place })
    }
}

/// A live message that a step sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLive {
    /// Which.
    pub kind: LiveKind,
    /// Where it is; stands for its `seq`.
    pub place: Place,
}

/// One step of an order's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineStep {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: StepCause,
    /// The order's version after it.
    pub version: u64,
    /// Its status after it.
    pub status: OrderStatus,
    /// Its stock's status after it.
    pub stock: StockStatus,
    /// Whether it changed nothing but what is known: a late answer, a request sent again.
    pub note: bool,
    /// Events that it sent.
    pub outgoing: Vec<StepOutgoing>,
    /// Live messages that it sent.
    pub live: Vec<StepLive>,
}

/// Everything that happened to an order.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Its newest state.
    pub order: Arc<Order>,
    /// The steps, oldest first.
    pub steps: Vec<TimelineStep>,
}

/// Type of the events on a topic that orders write to: each has one.
fn event_type(topic: Topic) -> Option<&'static str> {
    Some(match topic {
        Topic::InventoryReserve => "STOCK_RESERVE_REQUEST",
        Topic::InventoryRelease => "STOCK_RELEASE_REQUEST",
        Topic::OrderCreated => "ORDER_CREATED",
        Topic::OrderStatusChanged => "ORDER_STATUS_CHANGED",
        Topic::OrderCancelled => "ORDER_CANCELLED",
        Topic::OrderCompleted => "ORDER_COMPLETED",
        _ => return None,
    })
}

const REQUEST: u8 = 1;
const EVENT: u8 = 2;
const SYSTEM: u8 = 3;

// Persisted: never renumber.
const MOVEMENT_KINDS: [MovementKind; 7] = [
    MovementKind::Received,
    MovementKind::Reserved,
    MovementKind::Released,
    MovementKind::Fulfilled,
    MovementKind::Returned,
    MovementKind::Adjusted,
    MovementKind::Unknown,
];

/// Writes a step. Everything but the places of its records is known before the commit.
pub(crate) struct Encoder {
    step: Vec<u8>,
    records: usize,
}

impl Encoder {
    pub(crate) fn new(change: &Change) -> Self {
        let order = &change.order;
        let mut out = Vec::with_capacity(160);
        number(&mut out, zigzag(change.at.as_millis()));
        number(&mut out, order.version);
        out.push(order.status().code());
        out.push(stock_code(order.stock.status()));
        out.push(u8::from(change.is_note()));
        match &change.cause {
            StepCause::Request { request_id, subject } => {
                out.push(REQUEST);
                text(&mut out, request_id);
                text(&mut out, subject.as_ref().map_or("", UserId::as_str));
            }
            StepCause::Event(event) => {
                out.push(EVENT);
                write_event(&mut out, event, order);
            }
            StepCause::System => out.push(SYSTEM),
        }
        number(&mut out, (change.events.len() + change.live.len()) as u64);
        Self { step: out, records: change.events.len() + change.live.len() }
    }

    /// The next record of the change has its place.
    pub(crate) fn sent(&mut self, record: &Record, live: Option<LiveKind>) {
        debug_assert!(self.records > 0);
        self.records -= 1;
        self.step.push(record.topic.code());
        self.step.push(live.map_or(0, |kind| kind as u8));
        number(&mut self.step, u64::from(record.partition.0));
        number(&mut self.step, record.offset);
    }

    /// The next record of the change is published later: its place is found by its number, which is the count of the
    /// order's records before it ([`decode_numbered_steps`]).
    pub(crate) fn unsent(&mut self, topic: Topic, live: Option<LiveKind>) {
        debug_assert!(self.records > 0);
        self.records -= 1;
        self.step.push(topic.code());
        self.step.push(live.map_or(0, |kind| kind as u8));
    }

    /// The step, ready to be appended to the history.
    pub(crate) fn finish(self) -> Vec<u8> {
        debug_assert_eq!(self.records, 0);
        let mut out = Vec::with_capacity(self.step.len() + 3);
        number(&mut out, self.step.len() as u64);
        out.extend_from_slice(&self.step);
        out
    }
}

fn write_event(out: &mut Vec<u8>, event: &StepEvent, order: &Order) {
    text(out, &event.event_id);
    out.push(event.topic.code());
    number(out, u64::from(event.partition));
    number(out, event.offset);
    number(out, event.movements.len() as u64);
    for movement in &event.movements {
        text(out, &movement.movement_id);
        out.extend_from_slice(movement.product_id.as_bytes());
        number(out, movement.line_id.map_or(0, |line| u64::from(line.0) + 1));
        // Nearly always the name that the order has: then it is not repeated.
        let known = movement.line_id.and_then(|line| item(order, line));
        let same = known.is_some_and(|item| item.product_name == movement.product_name);
        text(out, if same { "" } else { movement.product_name.as_str() });
        out.push(MOVEMENT_KINDS.iter().position(|k| *k == movement.kind).map_or(0, |p| p as u8));
        number(out, zigzag(movement.on_hand_delta));
        number(out, zigzag(movement.reserved_delta));
        text(out, movement.hold_id.as_deref().unwrap_or(""));
        text(out, &movement.location_id);
        number(out, zigzag(movement.balances.stock));
        number(out, zigzag(movement.balances.reserved));
        number(out, zigzag(movement.balances.on_hand));
        number(out, zigzag(movement.at.as_millis()));
    }
}

fn item(order: &Order, line: LineId) -> Option<&Item> {
    order.items.get(usize::from(line.0).checked_sub(1)?)
}

fn stock_code(status: StockStatus) -> u8 {
    StockStatus::ALL.iter().position(|s| *s == status).map_or(0, |p| p as u8)
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads the history of `order`. A note about an event that was already taken in is left out: nothing happened twice.
///
/// # Errors
/// [`StoreError::Inconsistent`] if it cannot be read.
pub(crate) fn decode_steps(order: &Order, history: &[u8]) -> Result<Vec<TimelineStep>, StoreError> {
    decode(order, history, |topic, step| {
        let partition = Partition(step.partition()?);
        Some(Place { topic, partition, offset: Some(step.number()?) })
    })
}

/// The same for steps whose records were written with [`Encoder::unsent`]; `place` knows where the order's `n`th record
/// (from 0) is.
///
/// # Errors
/// [`StoreError::Inconsistent`] if it cannot be read.
pub(crate) fn decode_numbered_steps(
    order: &Order,
    history: &[u8],
    place: impl Fn(usize, Topic) -> Place,
) -> Result<Vec<TimelineStep>, StoreError> {
    let mut records = 0..;
    decode(order, history, |topic, _| Some(place(records.next()?, topic)))
}

fn decode(
    order: &Order,
    history: &[u8],
    mut place: impl FnMut(Topic, &mut Reader<'_>) -> Option<Place>,
) -> Result<Vec<TimelineStep>, StoreError> {
    let mut rest = Reader(history);
    let mut steps: Vec<TimelineStep> = Vec::new();
    while !rest.0.is_empty() {
        let step =
            rest.bytes().and_then(|bytes| read_step(order, &mut Reader(bytes), &mut place)).ok_or_else(
                || StoreError::Inconsistent(format!("the history of order {} is damaged", order.id)),
            )?;
        let repeated = step.note
            && matches!(&step.cause, StepCause::Event(event) if steps.iter().any(
                |s| matches!(&s.cause, StepCause::Event(earlier) if earlier.event_id == event.event_id)));
        if !repeated {
            steps.push(step);
        }
    }
    Ok(steps)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.signed().map(Timestamp::from_millis)
    }

    fn topic(&mut self) -> Option<Topic> {
        Topic::from_code(self.byte()?)
    }

    fn partition(&mut self) -> Option<u16> {
        u16::try_from(self.number()?).ok()
    }
}

fn read_step(
    order: &Order,
    from: &mut Reader<'_>,
    place: &mut impl FnMut(Topic, &mut Reader<'_>) -> Option<Place>,
) -> Option<TimelineStep> {
    let at = from.time()?;
    let version = from.number()?;
    let status = OrderStatus::from_code(u64::from(from.byte()?))?;
    let stock = *StockStatus::ALL.get(usize::from(from.byte()?))?;
    let note = from.byte()? == 1;
    let cause = match from.byte()? {
        REQUEST => StepCause::Request {
            request_id: from.text()?.to_owned(),
            subject: match from.text()? {
                "" => None,
                subject => Some(UserId::new(subject).ok()?),
            },
        },
        EVENT => StepCause::Event(read_event(order, from)?),
        SYSTEM => StepCause::System,
        _ => return None,
    };
    let (mut outgoing, mut live) = (Vec::new(), Vec::new());
    for _ in 0..from.number()? {
        let topic = from.topic()?;
        let kind = from.byte()?;
        let place = place(topic, from)?;
        if kind == 0 {
            outgoing.push(StepOutgoing::at(place)?);
        } else {
            live.push(StepLive { kind: LiveKind::from_code(kind)?, place });
        }
    }
    Some(TimelineStep { at, cause, version, status, stock, note, outgoing, live })
}

fn read_event(order: &Order, from: &mut Reader<'_>) -> Option<StepEvent> {
    let event_id = from.text()?.to_owned();
    let topic = from.topic()?;
    let partition = from.partition()?;
    let offset = from.number()?;
    let mut movements = Vec::new();
    for _ in 0..from.number()? {
        movements.push(read_movement(order, from)?);
    }
    Some(StepEvent { event_id, topic, partition, offset, movements })
}

fn read_movement(order: &Order, from: &mut Reader<'_>) -> Option<Movement> {
    let movement_id = from.text()?.to_owned();
    let product_id = ProductId::from_bytes(from.take(12)?.try_into().ok()?);
    let line_id = match from.number()? {
        0 => None,
        line => Some(LineId(u16::try_from(line - 1).ok()?)),
    };
    let product_name = match from.text()? {
        "" => item(order, line_id?)?.product_name.clone(),
        name => Name::new(name).ok()?,
    };
    Some(Movement {
        movement_id,
        product_id,
        product_name,
        line_id,
        kind: *MOVEMENT_KINDS.get(usize::from(from.byte()?))?,
        on_hand_delta: from.signed()?,
        reserved_delta: from.signed()?,
        hold_id: Some(from.text()?).filter(|id| !id.is_empty()).map(str::to_owned),
        location_id: from.text()?.to_owned(),
        balances: Balances { stock: from.signed()?, reserved: from.signed()?, on_hand: from.signed()? },
        at: from.time()?,
    })
}
