//! What an order is and how it may change: pure functions of state and input. No I/O, no clock, no randomness.
//!
//! [`place`] makes an order, [`decide`] changes one; both give the new state together with everything that must be
//! committed with it ([`Changed`]). [`outstanding_request`] says what an order still waits for from Products.

mod decide;
mod order;
mod place;
#[cfg(test)]
mod tests;
mod values;
pub mod view;

pub use decide::{
    Answer, Changed, Command, Decision, Live, LiveKind, Refusal, awaits_products, decide, outstanding_request,
};
pub use order::{Broken, Item, MAX_LINES, Order, Parts, Stage, Stock};
pub use place::{Draft, DraftItem, PlaceRefusal, place};
pub use values::{Address, InvalidMetadata, Metadata, TrackingNumber};
