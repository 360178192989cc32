//! What every store of Holdfast stands on: an atomic commit of state, outgoing records and consumed positions.
//!
//! - [`Journal`]: the outgoing records of one service, written in the commit of the change that they tell of. On one
//!   machine the journal *is* the topic; with Kafka a relay publishes it.
//! - [`Outbox`]: the same records as a relay to a broker sees them.
//! - [`Inbox`]: how far a consumer group has come, and which messages it has parked, in the database of its effects.
//! - [`mongodb`]: what the stores of several instances stand on: transactions, positions, parked messages, leases.
//! - [`sqlite`]: the embedded back-end: one writer thread with group commit, readers beside it.
//!
//! The docs of the two traits are their specification; `suite` (feature `suite`) holds every back-end to them.

mod error;
mod inbox;
mod journal;
pub mod mongodb;
mod outbox;
mod position;
mod record;
pub mod sqlite;
#[cfg(any(test, feature = "suite"))]
pub mod suite;

pub use error::StoreError;
pub use inbox::{Inbox, ParkCause, Parked, ParkedFilter, ParkedId, ToPark};
pub use journal::{Bounds, Journal};
pub use outbox::{CLAIM_SECONDS, Claim, Outbox, OutboxId, Places, Sent, Unsent};
pub use position::{Advance, Group, Position, StartOf, TopicPartition};
pub use record::{Incarnation, Outgoing, Record, Seq};
