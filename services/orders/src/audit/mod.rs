//! The audit that never sleeps, Orders' side: that each order's stock status is what Products' answers said (`answers`),
//! and that it is what Products holds (`holds`).
//!
//! Products states on the bus, stretch by stretch, which reservations hold something, as of a movement of its ledger. An
//! order counts as wrong only if both sides have passed a common position: the statement must know of the decision that
//! the order was told last, and the order must have been told whatever the statement knows of.

mod answers;
mod holds;
mod patrol;

pub use patrol::{OrdersPatrol, PARTS};
