//! Holds and movements: what the ledger is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_contract::stock::{Balances, Movement, MovementKind};
use holdfast_contract::text::{Name, Note};
use holdfast_contract::{
    DEFAULT_LOCATION, LineId, OrderId, OrderNumber, Partition, ProductId, Quantity, ReservationId, Timestamp,
    Topic,
};
use thiserror::Error;

/// Counts the movements of one Products database, from 1, without gaps, in the order they happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MovementId(pub u64);

impl fmt::Display for MovementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mov-{}", self.0)
    }
}

/// Names a hold: by the movement that opened it, so opening one needs no other key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub MovementId);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hold-{}", self.0.0)
    }
}

/// Why a text cannot name an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 1 to {max} visible characters", max = OrderRef::MAX)]
pub struct InvalidOrderRef;

/// What an HTTP caller calls its order: any visible text. One that names an order of ours in any way (id or number) is
/// kept as that order's id, so that it meets the reservation that the order made by event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderRef(Arc<str>);

impl OrderRef {
    /// Characters at most.
    pub const MAX: usize = 64;

    /// Proves a text.
    ///
    /// # Errors
    /// Empty, longer than [`OrderRef::MAX`] characters, or with white space or control characters.
    pub fn new(text: &str) -> Result<Self, InvalidOrderRef> {
        let visible = |c: char| !c.is_control() && !c.is_whitespace();
        if text.is_empty() || text.chars().nth(Self::MAX).is_some() || !text.chars().all(visible) {
            return Err(InvalidOrderRef);
        }
        match text.parse::<OrderId>().or_else(|_| text.parse::<OrderNumber>().map(OrderId::from)) {
            Ok(order) => Ok(Self(order.to_string().into())),
            Err(_) => Ok(Self(text.into())),
        }
    }

    /// The text; an order's id if it names one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The order that it names, if it has the form of one.
    pub fn order(&self) -> Option<OrderId> {
        self.0.parse().ok()
    }
}

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For whom stock is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A reservation that an order made by event.
    Reservation(ReservationId),
    /// A single-line reservation over HTTP.
    Http(OrderRef),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reservation(id) => id.fmt(f),
            Self::Http(order) => order.fmt(f),
        }
    }
}

/// How a hold was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldSource {
    /// By an order's request on the bus.
    Event,
    /// By a call.
    Http,
}

impl HoldSource {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Http => "http",
        }
    }
}

/// An open hold. (`locationId` is always `default` and `expiresAt` null today.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub id: HoldId,
    /// What is held.
    pub product: ProductId,
    /// For whom.
    pub owner: Owner,
    /// For which line; 1 for a hold over HTTP.
    pub line_id: LineId,
    /// How much.
    pub quantity: Quantity,
    /// How much of it has left; 0 for every open hold today, because shipments are whole.
    pub consumed: u32,
    /// Since when.
    pub at: Timestamp,
}

impl Hold {
    /// How it was made.
    pub fn source(&self) -> HoldSource {
        match self.owner {
            Owner::Reservation(_) => HoldSource::Event,
            Owner::Http(_) => HoldSource::Http,
        }
    }
}

/// What made stock move. The text form is persisted: extend it, never change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A message.
    Event {
        /// Its topic.
        topic: Topic,
        /// Its partition.
        partition: Partition,
        /// Its offset.
        offset: u64,
    },
    /// `POST /:id/reserve`.
    HttpReserve,
    /// `POST /:id/release`.
    HttpRelease,
    /// A person corrected it, and said why.
    Adjusted(Note),
    /// The product was created with this stock.
    Created,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { topic, partition, offset } => write!(f, "event:{topic}/{partition}/{offset}"),
            Self::HttpReserve => f.write_str("http:reserve"),
            Self::HttpRelease => f.write_str("http:release"),
            Self::Adjusted(reason) => write!(f, "adjusted:{reason}"),
            Self::Created => f.write_str("created"),
        }
    }
}

impl FromStr for Cause {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "http:reserve" => return Ok(Self::HttpReserve),
            "http:release" => return Ok(Self::HttpRelease),
            "created" => return Ok(Self::Created),
            _ => {}
        }
        if let Some(reason) = text.strip_prefix("adjusted:") {
            return Note::new(reason).map(Self::Adjusted).map_err(|_| ());
        }
        let mut parts = text.strip_prefix("event:").ok_or(())?.split('/');
        let mut part = || parts.next().ok_or(());
        Ok(Self::Event {
            topic: part()?.parse()?,
            partition: Partition(part()?.parse().map_err(|_| ())?),
            offset: part()?.parse().map_err(|_| ())?,
        })
    }
}

/// One change of one product's stock. Never changed, never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerMovement {
    /// Its name.
    pub id: MovementId,
    /// The product's movement before it.
    pub previous: Option<MovementId>,
    /// Which product.
    pub product: ProductId,
    /// Its name at the time.
    pub product_name: Name,
    /// For whom; absent where a person moved it.
    pub owner: Option<Owner>,
    /// The order's line, where an order was the cause.
    pub line_id: Option<LineId>,
    /// Why.
    pub kind: MovementKind,
    /// Change of what is on hand.
    pub on_hand_delta: i64,
    /// Change of what is held.
    pub reserved_delta: i64,
    /// The hold that was opened or closed, or whose goods came back.
    pub hold: Option<HoldId>,
    /// The balances after it.
    pub balances: Balances,
    /// What made it.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

impl LedgerMovement {
    /// How many units it is about.
    pub fn quantity(&self) -> u64 {
        self.on_hand_delta.unsigned_abs().max(self.reserved_delta.unsigned_abs())
    }

    /// As answers show it.
    pub fn to_wire(&self) -> Movement {
        Movement {
            movement_id: self.id.to_string(),
            product_id: self.product,
            product_name: self.product_name.clone(),
            line_id: self.line_id,
            kind: self.kind,
            on_hand_delta: self.on_hand_delta,
            reserved_delta: self.reserved_delta,
            hold_id: self.hold.map(|h| h.to_string()),
            location_id: DEFAULT_LOCATION.to_owned(),
            balances: self.balances,
            at: self.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_read_back() {
        for cause in [
            Cause::Event { topic: Topic::InventoryReserve, partition: Partition(2), offset: 17 },
            Cause::HttpReserve,
            Cause::HttpRelease,
            Cause::Adjusted(Note::new("broken: 3/4 of a pallet").unwrap()),
            Cause::Created,
        ] {
            assert_eq!(cause.to_string().parse(), Ok(cause));
        }
        assert_eq!("event:inventory.reserve/2".parse::<Cause>(), Err(()));
    }

    #[test]
    fn an_order_is_the_same_by_id_and_by_number() {
        let order = OrderId::new(holdfast_contract::Key::compose(1_763_600_000_000, 3, 9));
        let by_number = OrderRef::new(&OrderNumber::from(order).to_string().to_lowercase()).unwrap();
        assert_eq!(by_number, OrderRef::new(&order.to_string()).unwrap());
        assert_eq!(by_number.order(), Some(order));
        assert_eq!(OrderRef::new("till-7").unwrap().order(), None);
        for bad in ["", "a b", "a\0", &"x".repeat(65)] {
            assert_eq!(OrderRef::new(bad), Err(InvalidOrderRef), "{bad:?}");
        }
    }
}
