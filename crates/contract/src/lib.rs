//! What Holdfast's services say to each other and to their clients: ids, money, events, topics, error codes.
//!
//! Pure: no I/O, no clock, no randomness, no async runtime. Everything here is either a value that proves its own
//! invariant when it is made, or the wire form of one.

#[cfg(feature = "schema")]
pub mod asyncapi;
pub mod canonical;
mod codec;
pub mod digest;
pub mod error_code;
pub mod event;
pub mod id;
pub mod money;
pub mod order;
#[cfg(feature = "schema")]
mod schema;
pub mod stock;
pub mod text;
pub mod time;
pub mod topic;

pub use digest::LinesDigest;
pub use error_code::ErrorCode;
pub use id::{Key, LineId, OrderId, OrderNumber, ProductId, ReservationId};
pub use money::{Currency, Decimal, Money};
pub use order::{OrderStatus, PaymentMethod, PaymentStatus, StockStatus};
pub use stock::Quantity;
pub use time::Timestamp;
pub use topic::{Partition, Topic};

/// The only stock location there is today. Holds and movements name it, so that several can come without a rewrite.
pub const DEFAULT_LOCATION: &str = "default";

/// The version of every event payload that this build writes. Readers accept any and ignore fields they don't know.
pub const SCHEMA_VERSION: u32 = 1;
