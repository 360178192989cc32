//! The payloads of every topic, and how they are read.
//!
//! Writers fill every field; readers ignore fields they do not know, and take a word or number that they do not know as
//! unknown, so a newer writer does not stop an older reader.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec;
use crate::digest::LinesDigest;
use crate::id::{LineId, OrderId, OrderNumber, ProductId, ReservationId};
use crate::money::{Currency, Decimal};
use crate::order::{OrderStatus, PaymentMethod, StockStatus};
use crate::stock::{Balances, Movement, Quantity, RejectReason, Shortage};
use crate::text::{Name, UserId};
use crate::time::Timestamp;
use crate::topic::Topic;

/// Fields that every payload has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Names the event: the same event delivered twice has the same id.
    pub event_id: String,
    /// `ORDER_CREATED`, …: see [`Body::event_type`].
    pub event_type: String,
    /// The order; absent where none was the cause (stock that a person adjusted).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The order's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_number: Option<OrderNumber>,
    /// When it happened.
    pub timestamp: Timestamp,
    /// [`crate::SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
}

/// One line of an order, as events carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The order's line.
    pub line_id: LineId,
    /// Which product.
    pub product_id: ProductId,
    /// Its name, as the order has it.
    pub product_name: Name,
    /// How many.
    pub quantity: Quantity,
    /// The price of one that the order was placed with.
    pub unit_price: Decimal,
}

/// `STOCK_RESERVE_REQUEST`: hold every line or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReserveRequest {
    /// Names the request. Its decision is kept for ever and repeated.
    pub reservation_id: ReservationId,
    /// Whose order it is.
    pub user_id: UserId,
    /// Currency of the unit prices.
    pub currency: Currency,
    /// Whether a line whose unit price is not the product's price is rejected (`PRICE_CHANGED`), or only recorded.
    #[serde(default)]
    pub enforce_price: bool,
    /// What is asked for; at least one.
    pub lines: Vec<Line>,
}

/// `STOCK_RELEASE_REQUEST`: give back whatever the reservation holds, or book back in what was shipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRequest {
    /// Names the reservation. Wins over a reserve request that arrives later.
    pub reservation_id: ReservationId,
    /// Why.
    pub reason: String,
    /// Whether the goods had left. Then they are booked out first, if the shipment was not seen yet, so the ledger
    /// reads the same in whichever order the two messages arrive.
    #[serde(default)]
    pub shipped: bool,
}

/// `ORDER_CREATED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// Whose order it is.
    pub user_id: UserId,
    /// What was ordered.
    pub items: Vec<Line>,
    /// Sum of the lines.
    pub total_amount: Decimal,
    /// Its currency.
    pub currency: Currency,
    /// How it is paid; `None` for a way that this build does not know.
    #[serde(default, deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = PaymentMethod, required))]
    pub payment_method: Option<PaymentMethod>,
    /// Always pending; `None` for a status that this build does not know.
    #[serde(default, deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = OrderStatus, required))]
    pub status: Option<OrderStatus>,
}

/// `ORDER_STATUS_CHANGED`. Readers must have the reservation and the new status; the rest tells people more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderStatusChanged {
    /// The order's reservation.
    pub reservation_id: ReservationId,
    /// From; `None` for a status that this build does not know.
    #[serde(default, deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = OrderStatus, required))]
    pub old_status: Option<OrderStatus>,
    /// From, for people.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub old_status_label: String,
    /// To; `None` for a status that this build does not know.
    #[serde(deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = OrderStatus, required))]
    pub new_status: Option<OrderStatus>,
    /// To, for people.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub new_status_label: String,
    /// What Products had said by then; `None` for a word that this build does not know.
    #[serde(default, deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = StockStatus, required))]
    pub stock_status: Option<StockStatus>,
    /// Why, if somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The parcel, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
}

/// `ORDER_CANCELLED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// Whose order it was.
    pub user_id: UserId,
    /// Why.
    pub reason: String,
    /// From which status; `None` for one that this build does not know.
    #[serde(default, deserialize_with = "codec::known")]
    #[cfg_attr(feature = "schema", schema(value_type = OrderStatus, required))]
    pub old_status: Option<OrderStatus>,
    /// Its total.
    pub total_amount: Decimal,
    /// Its currency.
    pub currency: Currency,
    /// What was short, if that was why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
}

/// `ORDER_COMPLETED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCompleted {
    /// Whose order it is.
    pub user_id: UserId,
    /// Its total.
    pub total_amount: Decimal,
    /// Its currency.
    pub currency: Currency,
    /// When it arrived.
    pub delivered_at: Timestamp,
}

/// `STOCK_RESERVED`: every line is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockReserved {
    /// The reservation.
    pub reservation_id: ReservationId,
    /// What moved, one for each line.
    pub movements: Vec<Movement>,
    /// Lines whose price was not the product's, where that was allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub price_differences: Vec<PriceDifference>,
}

/// A line that was ordered for another price than the product's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PriceDifference {
    /// The order's line.
    pub line_id: LineId,
    /// The price in the order.
    pub unit_price: Decimal,
    /// The product's price when it was decided.
    pub current_price: Decimal,
}

/// `STOCK_REJECTED`: nothing is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockRejected {
    /// The reservation.
    pub reservation_id: ReservationId,
    /// The gravest of the reasons.
    pub reason: RejectReason,
    /// Every product that was short.
    #[serde(default)]
    pub shortages: Vec<Shortage>,
}

/// How a release ended. Words are public and persisted: never rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReleaseOutcome {
    /// What was held was given back, or nothing was held.
    Released,
    /// What was shipped was booked back in.
    Returned,
    /// A word that a newer version has. Nothing is held any more in any case, so it counts as released.
    #[serde(other)]
    Unknown,
}

/// `STOCK_RELEASED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockReleased {
    /// The reservation.
    pub reservation_id: ReservationId,
    /// How it ended.
    pub outcome: ReleaseOutcome,
    /// What moved; nothing if nothing was held.
    pub movements: Vec<Movement>,
}

/// `STOCK_FULFILLED`: the hold of a shipped order was consumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockFulfilled {
    /// The reservation.
    pub reservation_id: ReservationId,
    /// What moved, one for each line.
    pub movements: Vec<Movement>,
}

/// `STOCK_CHANGED`: the newest balances of a product. Readers ignore a version that is not newer than what they have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockChanged {
    /// Which product.
    pub product_id: ProductId,
    /// Its name.
    pub product_name: Name,
    /// Counts every change of the product.
    pub version: u64,
    /// Where. Always `default` today.
    pub location_id: String,
    /// The balances after the change.
    #[serde(flatten)]
    pub balances: Balances,
}

/// One reservation that holds stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldReservation {
    /// Which.
    pub reservation_id: ReservationId,
    /// The number of its decision, as in the `eventId` of its answer.
    pub decision: u32,
    /// Stands for its lines.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[0-9a-f]{16}$"))]
    pub lines: LinesDigest,
}

/// `HOLDS_STATED`: the reservations of a stretch of ids that hold stock; every other one of that stretch holds nothing.
/// Stretches follow each other, from the smallest id to the greatest, and then it begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HoldsStated {
    /// The last movement of the ledger (its number) that this knows of: it says what is held after that one, and perhaps
    /// after some later ones.
    pub movement: u64,
    /// The stretch begins after this id; absent: with the smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ReservationId>,
    /// It ends with this id; absent: it has no end, and is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<ReservationId>,
    /// In the order of their ids.
    pub held: Vec<HeldReservation>,
}

/// What is in a payload beside its [`Head`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is its payload")]
pub enum Body {
    ReserveRequest(ReserveRequest),
    ReleaseRequest(ReleaseRequest),
    OrderCreated(OrderCreated),
    OrderStatusChanged(OrderStatusChanged),
    OrderCancelled(OrderCancelled),
    OrderCompleted(OrderCompleted),
    StockReserved(StockReserved),
    StockRejected(StockRejected),
    StockReleased(StockReleased),
    StockFulfilled(StockFulfilled),
    StockChanged(StockChanged),
    HoldsStated(HoldsStated),
}

macro_rules! bodies {
    ($($variant:ident = $event_type:literal on $topic:ident;)*) => {
        impl Body {
            /// The `eventType` of its payload.
            pub fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $event_type,)* }
            }

            /// The topic that it goes to.
            pub fn topic(&self) -> Topic {
                match self { $(Self::$variant(_) => Topic::$topic,)* }
            }

            /// The event type that a topic carries.
            fn expected_on(topic: Topic) -> Option<&'static str> {
                match topic { $(Topic::$topic => Some($event_type),)* _ => None }
            }

            fn decode(event_type: &str, payload: &[u8]) -> Result<Option<(Head, Self)>, serde_json::Error> {
                Ok(match event_type {
                    $($event_type => {
                        let (head, body) = codec::decode(payload)?;
                        Some((head, Self::$variant(body)))
                    })*
                    _ => None,
                })
            }

            /// Every event type with its topic and the schemas of its own fields, for the generated documents.
            #[cfg(feature = "schema")]
            pub(crate) fn schemas() -> Vec<crate::asyncapi::EventSchema> {
                vec![$(crate::asyncapi::EventSchema::of::<$variant>($event_type, Topic::$topic),)*]
            }

            fn encode(&self, head: &Head) -> Vec<u8> {
                match self { $(Self::$variant(body) => codec::encode(head, body),)* }
            }
        }
    };
}

bodies! {
    ReserveRequest = "STOCK_RESERVE_REQUEST" on InventoryReserve;
    ReleaseRequest = "STOCK_RELEASE_REQUEST" on InventoryRelease;
    OrderCreated = "ORDER_CREATED" on OrderCreated;
    OrderStatusChanged = "ORDER_STATUS_CHANGED" on OrderStatusChanged;
    OrderCancelled = "ORDER_CANCELLED" on OrderCancelled;
    OrderCompleted = "ORDER_COMPLETED" on OrderCompleted;
    StockReserved = "STOCK_RESERVED" on InventoryReserved;
    StockRejected = "STOCK_REJECTED" on InventoryRejected;
    StockReleased = "STOCK_RELEASED" on InventoryReleased;
    StockFulfilled = "STOCK_FULFILLED" on InventoryFulfilled;
    StockChanged = "STOCK_CHANGED" on StockChanged;
    HoldsStated = "HOLDS_STATED" on InventoryAudit;
}

/// A whole event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What every payload has.
    pub head: Head,
    /// What is its own.
    pub body: Body,
}

/// Why a message is poison: a fault of the message itself, which no retry mends.
#[derive(Debug, Error)]
pub enum PoisonedPayload {
    /// Not JSON, or fields are missing or malformed.
    #[error("the payload is not a readable event")]
    Unreadable(#[from] serde_json::Error),
    /// The event names no order where its topic needs one.
    #[error("the payload names no order")]
    NoOrder,
    /// A request whose reservation is not the order's, or that asks for nothing.
    #[error("the payload contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Event {
    /// Puts an event about an order together. `cause` makes its id: the same change gives the same event.
    pub fn about_order(order: OrderId, cause: u64, at: Timestamp, body: Body) -> Self {
        let head = Head {
            event_id: format!("{order}-{cause}-{}", body.event_type()),
            event_type: body.event_type().to_owned(),
            order_id: Some(order),
            order_number: Some(order.into()),
            timestamp: at,
            schema_version: crate::SCHEMA_VERSION,
        };
        Self { head, body }
    }

    /// Puts a `STOCK_CHANGED` together.
    pub fn about_product(at: Timestamp, body: StockChanged) -> Self {
        let head = Head {
            event_id: format!("{}-{}-STOCK_CHANGED", body.product_id, body.version),
            event_type: "STOCK_CHANGED".to_owned(),
            order_id: None,
            order_number: None,
            timestamp: at,
            schema_version: crate::SCHEMA_VERSION,
        };
        Self { head, body: Body::StockChanged(body) }
    }

    /// Puts a `HOLDS_STATED` together.
    pub fn about_holds(at: Timestamp, body: HoldsStated) -> Self {
        let through = body.through.map_or_else(|| "end".to_owned(), |id| id.to_string());
        let head = Head {
            event_id: format!("{}-{through}-HOLDS_STATED", body.movement),
            event_type: "HOLDS_STATED".to_owned(),
            order_id: None,
            order_number: None,
            timestamp: at,
            schema_version: crate::SCHEMA_VERSION,
        };
        Self { head, body: Body::HoldsStated(body) }
    }

    /// The order that a payload says it is about, also if it is no event.
    pub fn order_in(payload: &[u8]) -> Option<OrderId> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct About {
            order_id: OrderId,
        }
        serde_json::from_slice(payload).ok().map(|About { order_id }| order_id)
    }

    /// The payload: one JSON object.
    pub fn encode(&self) -> Vec<u8> {
        self.body.encode(&self.head)
    }

    /// Reads a payload that came on `topic`. `None` for an event type that this build does not know: it is from a newer
    /// writer.
    ///
    /// # Errors
    /// [`PoisonedPayload`] where the message can never be processed.
    pub fn decode(topic: Topic, payload: &[u8]) -> Result<Option<Self>, PoisonedPayload> {
        // Nearly always it is what the topic is for, so that is tried before the payload is asked.
        let expected = Body::expected_on(topic);
        let guess = expected.map(|event_type| Body::decode(event_type, payload));
        let (head, body) = match guess {
            Some(Ok(Some((head, body)))) if Some(head.event_type.as_str()) == expected => (head, body),
            _ => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Kind {
                    event_type: String,
                }
                let Kind { event_type } = serde_json::from_slice(payload)?;
                let Some(whole) = Body::decode(&event_type, payload)? else { return Ok(None) };
                whole
            }
        };
        let reservation = match &body {
            Body::ReserveRequest(r) if r.lines.is_empty() => {
                return Err(PoisonedPayload::Contradiction("a request without lines"));
            }
            Body::ReserveRequest(r) => Some(r.reservation_id),
            Body::ReleaseRequest(r) => Some(r.reservation_id),
            Body::OrderStatusChanged(r) => Some(r.reservation_id),
            Body::StockReserved(r) => Some(r.reservation_id),
            Body::StockRejected(r) => Some(r.reservation_id),
            Body::StockReleased(r) => Some(r.reservation_id),
            Body::StockFulfilled(r) => Some(r.reservation_id),
            _ => None,
        };
        match (reservation, head.order_id) {
            (None, _) => {}
            (Some(_), None) => return Err(PoisonedPayload::NoOrder),
            (Some(reservation), Some(order)) if reservation != order.into() => {
                return Err(PoisonedPayload::Contradiction("the reservation is not the order's"));
            }
            (Some(_), Some(_)) => {}
        }
        Ok(Some(Self { head, body }))
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
