//! Changing an order: contract §2 says which changes there are, §3 which events each one has.

use std::sync::Arc;

use holdfast_contract::event::{
    Body, OrderCancelled, OrderCompleted, OrderStatusChanged, ReleaseOutcome, ReleaseRequest,
};
use holdfast_contract::stock::{RejectReason, Shortage};
use holdfast_contract::text::Note;
use holdfast_contract::{OrderStatus, StockStatus, Timestamp};
use thiserror::Error;

use super::order::{Order, Parts, Stage, Stock};
use super::place::reserve_request;
use super::values::{Address, Metadata, TrackingNumber};

/// What somebody wants of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Move it on. To [`OrderStatus::Cancelled`] is the same as [`Command::Cancel`].
    SetStatus {
        /// Where to.
        to: OrderStatus,
        /// Why; kept as `cancelReason` when cancelling.
        reason: Option<Note>,
        /// The parcel; kept with any move.
        tracking: Option<TrackingNumber>,
    },
    /// Cancel it.
    Cancel {
        /// Why.
        reason: Option<Note>,
    },
    /// Change what may be edited: the address until the goods leave, metadata always.
    Edit {
        /// New address.
        address: Option<Address>,
        /// New metadata, replacing the old.
        metadata: Option<Metadata>,
    },
    /// Delete it for clients; cancels it first if it is on its way to be shipped.
    Hide,
    /// Products has answered.
    Answer(Answer),
}

/// What Products says about an order's reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every line is held.
    Reserved,
    /// Nothing is held.
    Rejected {
        /// The gravest of the reasons.
        reason: RejectReason,
        /// Every product that was short.
        shortages: Vec<Shortage>,
    },
    /// Nothing is held any more.
    Released(ReleaseOutcome),
    /// The hold was consumed.
    Fulfilled,
}

/// Which live message a change has. Numbers are persisted: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LiveKind {
    /// `order:created`
    Created = 1,
    /// `order:status_changed`
    StatusChanged = 2,
    /// `order:cancelled`
    Cancelled = 3,
    /// `order:completed`
    Completed = 4,
    /// `order:updated`
    Updated = 5,
}

impl LiveKind {
    /// The name of the message.
    pub fn event(self) -> &'static str {
        match self {
            Self::Created => "order:created",
            Self::StatusChanged => "order:status_changed",
            Self::Cancelled => "order:cancelled",
            Self::Completed => "order:completed",
            Self::Updated => "order:updated",
        }
    }

    /// Takes back `self as u8`.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Created, Self::StatusChanged, Self::Cancelled, Self::Completed, Self::Updated]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// A live message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Which.
    pub kind: LiveKind,
    /// One sentence for people.
    pub message: String,
}

/// A new state and what must be committed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The new state, one version on.
    pub order: Order,
    /// Outgoing events, in order.
    pub events: Vec<Body>,
    /// Live messages, in order; at least one.
    pub live: Vec<Live>,
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and nearly always the large one")]
pub enum Decision {
    /// Nothing: it was so already, or it came too late.
    Noop,
    /// A new state.
    Changed(Changed),
}

/// Why a command is refused. Answers never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The order was deleted.
    #[error("the order was deleted")]
    Hidden,
    /// Its status does not allow the move.
    #[error("an order that is {} cannot become {}", from.label(), to.label())]
    InvalidTransition {
        /// From.
        from: OrderStatus,
        /// To.
        to: OrderStatus,
    },
    /// The move needs stock that is held.
    #[error("the order's stock is {stock}, and must be reserved first")]
    StockNotReserved {
        /// What it is.
        stock: StockStatus,
    },
    /// Shipped and delivered orders stay.
    #[error("an order that is {} cannot be deleted", status.label())]
    NotDeletable {
        /// Its status.
        status: OrderStatus,
    },
    /// The address is fixed once the goods have left or the order is cancelled.
    #[error("the address of an order that is {} cannot be changed", status.label())]
    AddressFixed {
        /// Its status.
        status: OrderStatus,
    },
}

/// The reason of a cancellation that nobody gave one for.
const ON_REQUEST: &str = "Cancelled on request";
/// The reason of a cancellation that deleting brings with it.
const DELETED: &str = "Deleted";
/// The reason where somebody else gave the order's stock back: it can never be had again, as a release wins for good.
const STOCK_RELEASED: &str = "STOCK_RELEASED";

/// Decides what follows from `command`, at `at`. An `at` before the last change counts as the last change's time.
///
/// Status moves: 1→2,5; 2→3,5; 3→4,5; the same again is a no-op. Answers change an order only where it waits for them:
/// - reserved, rejected: while pending and undecided; a rejection cancels.
/// - fulfilled: while shipped or delivered and reserved.
/// - released: once cancelled. For an order that is pending or processing somebody else released its stock (a foreign
///   message on the bus): the order cannot be had any more, and is cancelled.
///
/// # Errors
/// See [`Refusal`].
pub fn decide(order: &Order, command: Command, at: Timestamp) -> Result<Decision, Refusal> {
    let at = at.max(order.updated_at);
    if order.hidden && !matches!(command, Command::Answer(_) | Command::Hide) {
        return Err(Refusal::Hidden);
    }
    match command {
        Command::SetStatus { to: OrderStatus::Cancelled, reason, tracking } => {
            cancel(order, reason, tracking, at)
        }
        Command::SetStatus { to, reason, tracking } => advance(order, to, reason, tracking, at),
        Command::Cancel { reason } => cancel(order, reason, None, at),
        Command::Edit { address, metadata } => edit(order, address, metadata, at),
        Command::Hide => hide(order, at),
        Command::Answer(answer) => Ok(take(order, answer, at)),
    }
}

/// What the order still waits for, as the message that asks Products for it; `None` if nothing.
///
/// Derived from the state alone, so it can be sent again after any loss. Products answers a repeated request with its
/// first decision.
pub fn outstanding_request(order: &Order) -> Option<Body> {
    match (&order.stage, &order.stock) {
        (Stage::Pending, Stock::Pending) => Some(reserve_request(order)),
        (Stage::Shipped { .. } | Stage::Delivered { .. }, Stock::Reserved) => {
            Some(status_changed(order, OrderStatus::Processing, OrderStatus::Shipped, None))
        }
        (Stage::Cancelled { .. }, Stock::Pending | Stock::Reserved | Stock::Fulfilled) => {
            Some(release_request(order))
        }
        _ => None,
    }
}

/// Whether [`outstanding_request`] has something, without writing it.
pub fn awaits_products(order: &Order) -> bool {
    match (&order.stage, &order.stock) {
        (Stage::Pending, stock) => *stock == Stock::Pending,
        (Stage::Shipped { .. } | Stage::Delivered { .. }, stock) => *stock == Stock::Reserved,
        (Stage::Cancelled { .. }, stock) => {
            matches!(stock, Stock::Pending | Stock::Reserved | Stock::Fulfilled)
        }
        (Stage::Processing, _) => false,
    }
}

fn next(order: &Order, at: Timestamp) -> Parts {
    let mut parts = order.clone().into_parts();
    parts.version += 1;
    parts.updated_at = at;
    parts
}

fn advance(
    order: &Order,
    to: OrderStatus,
    reason: Option<Note>,
    tracking: Option<TrackingNumber>,
    at: Timestamp,
) -> Result<Decision, Refusal> {
    let from = order.status();
    if from == to {
        return Ok(Decision::Noop);
    }
    let stage = match (&order.stage, to) {
        (Stage::Pending, OrderStatus::Processing) => Stage::Processing,
        (Stage::Processing, OrderStatus::Shipped) => Stage::Shipped { shipped_at: at },
        (Stage::Shipped { shipped_at }, OrderStatus::Delivered) => {
            Stage::Delivered { shipped_at: *shipped_at, delivered_at: at }
        }
        _ => return Err(Refusal::InvalidTransition { from, to }),
    };
    if matches!(to, OrderStatus::Processing | OrderStatus::Shipped) && order.stock != Stock::Reserved {
        return Err(Refusal::StockNotReserved { stock: order.stock.status() });
    }
    let mut parts = next(order, at);
    parts.stage = stage;
    if tracking.is_some() {
        parts.tracking_number = tracking;
    }
    let order = Order::trusted(parts);
    let mut events = vec![status_changed(&order, from, to, reason.as_ref())];
    let mut live = vec![moved(&order)];
    if to == OrderStatus::Delivered {
        events.push(Body::OrderCompleted(OrderCompleted {
            user_id: order.user_id.clone(),
            total_amount: order.total.to_decimal(),
            currency: order.currency(),
            delivered_at: at,
        }));
        live.push(Live {
            kind: LiveKind::Completed,
            message: format!("Order {} is complete", order.number()),
        });
    }
    Ok(Decision::Changed(Changed { order, events, live }))
}

fn cancel(
    order: &Order,
    reason: Option<Note>,
    tracking: Option<TrackingNumber>,
    at: Timestamp,
) -> Result<Decision, Refusal> {
    match order.stage {
        Stage::Cancelled { .. } => Ok(Decision::Noop),
        Stage::Delivered { .. } => {
            Err(Refusal::InvalidTransition { from: order.status(), to: OrderStatus::Cancelled })
        }
        _ => {
            let mut parts = next(order, at);
            if tracking.is_some() {
                parts.tracking_number = tracking;
            }
            let reason = reason.or_else(|| note(ON_REQUEST));
            Ok(cancelled(order.status(), parts, reason, at, true))
        }
    }
}

/// The one way into [`Stage::Cancelled`]. `release`: Products still has to be told.
fn cancelled(
    from: OrderStatus,
    mut parts: Parts,
    reason: Option<Note>,
    at: Timestamp,
    release: bool,
) -> Decision {
    // Our own words are never refused as a text; without one there is nothing to cancel with.
    let Some(reason) = reason else { return Decision::Noop };
    parts.stage =
        Stage::Cancelled { cancelled_at: at, reason: reason.clone(), shipped_at: parts.stage.shipped_at() };
    let order = Order::trusted(parts);
    let mut events = vec![
        status_changed(&order, from, OrderStatus::Cancelled, Some(&reason)),
        Body::OrderCancelled(OrderCancelled {
            user_id: order.user_id.clone(),
            reason: reason.as_str().to_owned(),
            old_status: Some(from),
            total_amount: order.total.to_decimal(),
            currency: order.currency(),
            shortages: order.stock.shortages().to_vec(),
        }),
    ];
    if release {
        events.push(release_request(&order));
    }
    let message = format!("Order {} was cancelled: {reason}", order.number());
    let live = vec![moved(&order), Live { kind: LiveKind::Cancelled, message }];
    Decision::Changed(Changed { order, events, live })
}

fn edit(
    order: &Order,
    address: Option<Address>,
    metadata: Option<Metadata>,
    at: Timestamp,
) -> Result<Decision, Refusal> {
    let address = address.filter(|a| *a != *order.address);
    let metadata = metadata.filter(|m| *m != order.metadata);
    if address.is_some() && !matches!(order.stage, Stage::Pending | Stage::Processing) {
        return Err(Refusal::AddressFixed { status: order.status() });
    }
    if address.is_none() && metadata.is_none() {
        return Ok(Decision::Noop);
    }
    let mut parts = next(order, at);
    let what = match (&address, &metadata) {
        (Some(_), Some(_)) => "address and metadata",
        (Some(_), None) => "address",
        _ => "metadata",
    };
    if let Some(address) = address {
        parts.address = Arc::new(address);
    }
    if let Some(metadata) = metadata {
        parts.metadata = metadata;
    }
    let message = format!("Order {} has new {what}", order.number());
    Ok(updated(parts, message))
}

fn hide(order: &Order, at: Timestamp) -> Result<Decision, Refusal> {
    if order.hidden {
        return Ok(Decision::Noop);
    }
    let mut parts = next(order, at);
    let message = format!("Order {} was deleted", order.number());
    match order.stage {
        Stage::Shipped { .. } | Stage::Delivered { .. } => {
            Err(Refusal::NotDeletable { status: order.status() })
        }
        Stage::Cancelled { .. } => {
            parts.hidden = true;
            Ok(updated(parts, message))
        }
        Stage::Pending | Stage::Processing => {
            parts.hidden = true;
            let mut decision = cancelled(order.status(), parts, note(DELETED), at, true);
            if let Decision::Changed(changed) = &mut decision {
                changed.live.push(Live { kind: LiveKind::Updated, message });
            }
            Ok(decision)
        }
    }
}

fn take(order: &Order, answer: Answer, at: Timestamp) -> Decision {
    let number = order.number();
    let stock = |stock: Stock, message: String| {
        let mut parts = next(order, at);
        parts.stock = stock;
        updated(parts, message)
    };
    let waits_for_release = matches!(order.stock, Stock::Pending | Stock::Reserved | Stock::Fulfilled);
    match (answer, &order.stage) {
        (Answer::Reserved, Stage::Pending) if order.stock == Stock::Pending => {
            stock(Stock::Reserved, format!("The stock of order {number} is reserved"))
        }
        (Answer::Rejected { reason, shortages }, Stage::Pending) if order.stock == Stock::Pending => {
            let mut parts = next(order, at);
            parts.stock = Stock::Rejected { reason, shortages: shortages.into() };
            cancelled(order.status(), parts, note(reason.as_str()), at, false)
        }
        (Answer::Fulfilled, Stage::Shipped { .. } | Stage::Delivered { .. })
            if order.stock == Stock::Reserved =>
        {
            stock(Stock::Fulfilled, format!("The stock of order {number} has left"))
        }
        (Answer::Released(outcome), Stage::Cancelled { .. }) if waits_for_release => {
            if order.stock == Stock::Fulfilled || outcome == ReleaseOutcome::Returned {
                stock(Stock::Returned, format!("The stock of order {number} was returned"))
            } else {
                stock(Stock::Released, format!("The stock of order {number} was released"))
            }
        }
        (Answer::Released(_), Stage::Pending | Stage::Processing) => {
            let mut parts = next(order, at);
            parts.stock = Stock::Released;
            cancelled(order.status(), parts, note(STOCK_RELEASED), at, false)
        }
        _ => Decision::Noop,
    }
}

fn updated(parts: Parts, message: String) -> Decision {
    let live = vec![Live { kind: LiveKind::Updated, message }];
    Decision::Changed(Changed { order: Order::trusted(parts), events: Vec::new(), live })
}

fn moved(order: &Order) -> Live {
    let message = format!("Order {} is {}", order.number(), order.status().label());
    Live { kind: LiveKind::StatusChanged, message }
}

fn note(text: &str) -> Option<Note> {
    Note::new(text).ok()
}

fn status_changed(order: &Order, old: OrderStatus, new: OrderStatus, reason: Option<&Note>) -> Body {
    Body::OrderStatusChanged(OrderStatusChanged {
        reservation_id: order.reservation(),
        old_status: Some(old),
        old_status_label: old.label().to_owned(),
        new_status: Some(new),
        new_status_label: new.label().to_owned(),
        stock_status: Some(order.stock.status()),
        reason: reason.map(|r| r.as_str().to_owned()),
        tracking_number: order.tracking_number.as_ref().map(|t| t.as_str().to_owned()),
    })
}

fn release_request(order: &Order) -> Body {
    Body::ReleaseRequest(ReleaseRequest {
        reservation_id: order.reservation(),
        reason: order.cancel_reason().map_or(ON_REQUEST, |r| r.as_str()).to_owned(),
        shipped: order.stage.shipped_at().is_some(),
    })
}
